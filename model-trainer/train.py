"""Trains Softrouter's embedded model on samples that `model-trainer samples` streams, and exports it."""

import argparse
import json
import math
import os
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as save_safetensors
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "llm-slowpath", "model")

# What `llm-slowpath/src/model/weights.rs` reads.
FORMAT = "softrouter-tiny-1"

# The shape of a record, as `model-trainer/src/samples.rs` writes it.
WIDTH = 78
RECORD = 2 + WIDTH
VOCABULARY = 256
PING_PROMPT = 61
PING_HEAD = 4
# Nibbles of the header that a reply leaves alone, right after the head.
PING_COPIED = 40
IGNORE = -100
# Logits are scaled down, because the embedding that makes them is scaled up.
LOGIT_SCALE = 0.2
EPSILON = 1e-5
ROPE_BASE = 10000.0


# Arguments that decide what the weights become: the file tells them for every time that training was resumed.
TOLD = ["steps", "seed", "batch", "triage", "rate", "hard", "long", "int8", "shape"]


class Samples:
    """The stream of one task: a child process and its pipe."""

    def __init__(self, binary, task, seed, hard, skip=0):
        command = [binary, "samples", "--task", task, "--seed", str(seed), "--hard", str(hard), "--start", str(skip)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20)

    def batch(self, count):
        """Prompt lengths, answer lengths, tokens [count, WIDTH]."""
        data = self.child.stdout.read(count * RECORD)
        if len(data) != count * RECORD:
            raise SystemExit("the sample generator ended early")
        rows = np.frombuffer(data, np.uint8).reshape(count, RECORD).astype(np.int64)
        return rows[:, 0], rows[:, 1], rows[:, 2:]

    def close(self):
        self.child.stdout.close()
        self.child.wait()


def rope(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, EPSILON)


class Linear(nn.Linear):
    """A linear layer that can compute as the router does: 8 bits a weight and an activation."""

    int8 = False

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        weight = self.weight
        if Linear.int8:
            # Rounded on the way forward, straight through on the way back.
            weight = weight + (rounded(weight.detach()) - weight.detach())
            x = x + (rounded(x.detach()) - x.detach())
        return F.linear(x, weight)


def rounded(rows):
    """Each row to 255 steps of its own size."""
    step = rows.abs().amax(-1, keepdim=True).clamp(min=1e-9) / 127
    return (rows / step).round_().mul_(step)


class Block(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.gate_up = Linear(width, 2 * inner)
        self.down = Linear(inner, width)

    def forward(self, x, cos, sin, first):
        """Queries, residual and feed-forward only from position `first`: the last block needs no more."""
        batch, length, width = x.shape
        y = self.norm1(x)
        q, k, v = (
            t.view(batch, length, self.heads, -1).transpose(1, 2) for t in self.qkv(y).chunk(3, -1)
        )
        q = rope(q[:, :, first:], cos[first:length], sin[first:length])
        k = rope(k, cos[:length], sin[:length])
        if first == 0:
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = torch.ones(length - first, length, dtype=torch.bool).tril(first)
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x[:, first:] + self.out(a.transpose(1, 2).reshape(batch, length - first, width))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, width, layers, heads, inner, context=128):
        super().__init__()
        self.config = dict(vocabulary=VOCABULARY, width=width, layers=layers, heads=heads, inner=inner)
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.blocks = nn.ModuleList([Block(width, heads, inner) for _ in range(layers)])
        self.norm = Norm(width)
        head = width // heads
        inverse = ROPE_BASE ** (-torch.arange(0, head, 2).float() / head)
        angle = torch.arange(context).float()[:, None] * inverse
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, 0, 0.1 if p is self.embedding.weight else 1 / math.sqrt(p.shape[1]))
        with torch.no_grad():
            for block in self.blocks:
                block.out.weight.mul_(1 / math.sqrt(2 * layers))
                block.down.weight.mul_(1 / math.sqrt(2 * layers))
            # A head start: some dimensions of a digit's embedding hold its bits and its place on a circle.
            digit = torch.arange(16)
            bits = torch.stack([((digit >> i) & 1) * 2.0 - 1 for i in range(4)], 1)
            angle = digit[:, None] * 2 * math.pi / 16 * torch.tensor([1.0, 2.0, 4.0])
            self.embedding.weight[:16, :4] = bits * 0.2
            self.embedding.weight[:16, 4:10] = torch.cat([angle.cos(), angle.sin()], 1) * 0.2
            self.embedding.weight[:16, 10] = (digit - 7.5) / 7.5 * 0.3

    def forward(self, tokens, first=0):
        x = self.embedding(tokens)
        for block in self.blocks[:-1]:
            x = block(x, self.cos, self.sin, 0)
        x = self.norm(self.blocks[-1](x, self.cos, self.sin, first))
        return x @ self.embedding.weight.t() * LOGIT_SCALE


def inputs_and_targets(lengths, answers, tokens):
    """What goes in, and what must come out at each place from the end of the shortest prompt on."""
    width = int((lengths + answers).max())
    first = int(lengths.min()) - 1
    place = np.arange(1, width)[None]
    wanted = (place >= lengths[:, None]) & (place < (lengths + answers)[:, None])
    targets = np.where(wanted, tokens[:, 1:width], IGNORE)[:, first:]
    return torch.from_numpy(tokens[:, : width - 1].copy()), torch.from_numpy(targets.copy()), first


def shorten(lengths, answers, tokens, cut):
    """Leaves out the first `cut` of the copied digits: the same places from the end, less to compute."""
    rest = np.concatenate([tokens[:, :PING_HEAD], tokens[:, PING_HEAD + cut :]], 1)
    return lengths - cut, answers, rest


@torch.no_grad()
def exact(model, batch, size=512):
    """Share of samples whose every answer token is the most likely one (so greedy decoding finds it)."""
    right = []
    for at in range(0, len(batch[0]), size):
        inputs, targets, first = inputs_and_targets(*(part[at : at + size] for part in batch))
        hit = (model(inputs, first).argmax(-1) == targets) | (targets == IGNORE)
        right.append(hit.all(1).numpy())
    return float(np.concatenate(right).mean())


def optimizers(model, rate):
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embedding" in n]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def schedule(fraction, step):
    return min(1.0, (step + 1) / 100) * (0.02 + 0.98 * min(1.0, 2.5 * (1 - fraction)))


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--steps", type=int, default=11000, help="how long to train; the learning rate falls towards it")
    parse.add_argument("--minutes", type=float, default=math.inf, help="stop early, with a checkpoint to resume from")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--threads", type=int, default=1)
    parse.add_argument("--batch", type=int, default=64, help="ping samples in a step")
    parse.add_argument("--triage", type=int, default=32, help="triage samples in a step")
    parse.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parse.add_argument("--hard", type=int, default=40, help="of 100 ping samples, how many are steered to carries")
    parse.add_argument("--long", type=float, default=0.08, help="share of steps with whole ping prompts, before the last quarter")
    parse.add_argument("--int8", type=float, default=0.6, help="share of the steps after which layers round to 8 bits")
    parse.add_argument("--shape", default="64,4,4,192", help="width,layers,heads,inner")
    parse.add_argument("--binary", default=os.path.join(HERE, "..", "target", "release", "model-trainer"))
    parse.add_argument("--checkpoint", default=os.path.join(HERE, "runs", "checkpoint.pt"))
    parse.add_argument("--resume", action="store_true")
    parse.add_argument("--out", default=MODEL)
    args = parse.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = Model(*map(int, args.shape.split(",")))
    opts = optimizers(model, args.rate)
    step, spent, history = 0, 0.0, []
    if args.resume and os.path.exists(args.checkpoint):
        state = torch.load(args.checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        for opt, saved in zip(opts, state["opts"]):
            opt.load_state_dict(saved)
        step, spent, history = state["step"], state["spent"], state["history"]
    told = " ".join(f"--{name} {getattr(args, name)}" for name in TOLD)
    if step < args.steps:
        history.append(f"step {step}: {told}")
    held = {
        "ping": stream_once(args.binary, "ping", 10**9 + args.seed, 0, 2000),
        "hard": stream_once(args.binary, "ping", 10**9 + args.seed + 1, 100, 1000),
        "triage": stream_once(args.binary, "triage", 10**9 + args.seed, 0, 2000),
    }
    ping = Samples(args.binary, "ping", args.seed, args.hard, step * args.batch)
    triage = Samples(args.binary, "triage", args.seed, 0, step * args.triage)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    start, report, losses = time.time() - spent, time.time(), []
    while step < args.steps and spent < 60 * args.minutes:
        spent = time.time() - start
        fraction = step / args.steps
        Linear.int8 = fraction >= args.int8
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = args.rate * schedule(fraction, step)
        batch = ping.batch(args.batch)
        dice = np.random.default_rng([args.seed, step])
        # Digits that no answer depends on are mostly left out at first: more steps a minute. Attention
        # works by distance from the end, so what is learnt without them holds with them.
        if dice.random() > (args.long if fraction < 0.75 else 0.5):
            batch = shorten(*batch, PING_COPIED - 4 * int(dice.integers(0, 2)))
        losses_now = []
        for part in (batch, triage.batch(args.triage)):
            inputs, targets, first = inputs_and_targets(*part)
            logits = model(inputs, first)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
            (loss if part is batch else 0.5 * loss).backward()
            losses_now.append(float(loss.detach()))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        losses.append(losses_now)
        step += 1
        if time.time() - report > 60:
            report = time.time()
            mean = np.mean(losses, 0)
            scores = {task: round(exact(model, batch), 4) for task, batch in held.items()}
            print(
                f"{spent:5.0f} s  step {step}  ping samples {step * args.batch}  "
                f"loss ping {mean[0]:.4f} triage {mean[1]:.4f}  exact {json.dumps(scores)}",
                flush=True,
            )
            losses = []
            save(args.checkpoint, model, opts, step, spent, history)
    save(args.checkpoint, model, opts, step, spent, history)
    ping.close()
    triage.close()
    export(model, args, step, history)


def stream_once(binary, task, seed, hard, count):
    samples = Samples(binary, task, seed, hard)
    batch = samples.batch(count)
    samples.close()
    return batch


def save(path, model, opts, step, spent, history):
    state = dict(model=model.state_dict(), opts=[o.state_dict() for o in opts])
    state.update(step=step, spent=spent, history=history)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def export(model, args, step, history):
    """Half-precision weights, and the logits that they give for a few samples, for the test in Rust."""
    Linear.int8 = False
    halves = {name: tensor.half() for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor.float() for name, tensor in halves.items()})
    tensors = {name: tensor.numpy() for name, tensor in halves.items()}
    digest = f"{fnv1a(tensor_bytes(save_safetensors(tensors))):016x}"
    metadata = {
        "format": FORMAT,
        "hash": digest,
        "logit_scale": str(LOGIT_SCALE),
        "rope_base": str(ROPE_BASE),
        "trained": f"seed {args.seed}, {step} steps of {args.batch} ping and {args.triage} triage samples",
        "history": "; ".join(history),
        **{key: str(value) for key, value in model.config.items()},
    }
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "softrouter-tiny.safetensors"), "wb") as file:
        file.write(save_safetensors(tensors, metadata))
    with open(os.path.join(args.out, "parity.safetensors"), "wb") as file:
        file.write(save_safetensors(parity(model, args.binary), {"hash": digest}))
    print(f"exported {digest}", flush=True)


@torch.no_grad()
def parity(model, binary):
    """A few samples and all logits at each place of their answers."""
    rows = [stream_once(binary, task, 77, 0, 4) for task in ("ping", "triage")]
    lengths, answers, tokens = (np.concatenate(part) for part in zip(*rows))
    logits = np.zeros((int(answers.sum()), VOCABULARY), np.float32)
    at = 0
    for length, answer, row in zip(lengths, answers, tokens):
        out = model(torch.from_numpy(row[None, : length + answer - 1].copy()), int(length) - 1)
        logits[at : at + answer] = out[0].numpy()
        at += answer
    bytes_of = {"lengths": lengths, "answers": answers, "tokens": tokens}
    return {**{name: part.astype(np.uint8) for name, part in bytes_of.items()}, "logits": logits}


def tensor_bytes(file):
    """A safetensors file without its header."""
    return file[8 + int.from_bytes(file[:8], "little") :]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return value


if __name__ == "__main__":
    main()
