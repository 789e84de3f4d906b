"""Trains the text model, which reads the prompts that the HTTP backends send and writes JSON, and exports it."""

import argparse
import json
import os
import subprocess
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as save_safetensors

import text_tokens
import train
from train import Batch, Model

# What export_gguf.py reads.
FORMAT = "softrouter-text-1"
OUT = os.path.join(train.HERE, "text")
ASKERS = ["router", "exam"]
SHAPE = "64,4,4,192"
# Prompts of each asker that the vocabulary is made of, and that training draws from.
SPOKEN, POOL = 3000, 30000
# Longest prompt and answer: several times the usual one, for prompts whose words are new to it.
CONTEXT = 1024


class Pool:
    """One asker's questions, in tokens. Their nonces and boundaries are drawn anew each time."""

    def __init__(self, samples, tokens):
        read = text_tokens.Tokenizer(tokens).read
        user, answer, end = ([tokens.index(name)] for name in (text_tokens.USER, text_tokens.ANSWER, text_tokens.END))
        system = samples[0]["system"]
        if any(sample["system"] != system for sample in samples):
            raise SystemExit("the constant part of the prompts is not constant")
        lines = system.splitlines(keepends=True)
        self.system, self.lines = read(system), [read(line) for line in lines]
        # Each word with the blank before it, but for the line's first one.
        self.words = [[t for word in line.split(" ") for t in read(" " + word)][1:] for line in lines]
        self.users = [user + read(sample["user"]) + answer for sample in samples]
        self.answers = [read(sample["answer"]) + end for sample in samples]
        self.end = end
        # In front of eight digits that are drawn by chance.
        self.nonce = tokens.index(text_tokens.NONCE)
        for part in self.users + self.answers:
            at = part.index(self.nonce) + 1
            if max(part[at : at + 8]) >= len(text_tokens.DIGITS):
                raise SystemExit("some token swallows digits of a nonce")
        self.boundary = [tokens.index(mark) for mark in text_tokens.BOUNDARY]

    def constant(self, dice, whole):
        """The constant part, or lines of it, some spelled in words: the model is not to depend on its places."""
        if whole:
            return self.system
        keep = dice.random() * 0.6
        chosen = [at for at in range(len(self.lines)) if dice.random() < keep]
        return [t for at in chosen for t in (self.words if dice.random() < 0.05 else self.lines)[at]]

    def batch(self, count, dice, whole):
        """So many samples, with the same constant part."""
        system = self.constant(dice, whole)
        rows = dice.integers(0, len(self.users), count)
        prompts, answers, filled = [], [], []
        for row in rows:
            user, answer = list(self.users[row]), list(self.answers[row])
            digits = dice.integers(0, 16, 8).tolist()
            for part in (user, answer):
                at = part.index(self.nonce) + 1
                part[at : at + 8] = digits
            edge = dice.integers(0, 16, 8).tolist()
            for mark in self.boundary:
                at = user.index(mark) + 1
                user[at : at + 8] = edge
            prompts.append(len(system) + len(user))
            answers.append(len(answer))
            filled.append(system + user + answer)
        width = max(map(len, filled))
        tokens = np.array([row + self.end * (width - len(row)) for row in filled])
        places = np.broadcast_to(np.arange(width), tokens.shape)
        return Batch(np.array(prompts), np.array(answers), tokens, places)


def speech(binary, asker, seed, count, *more):
    command = [binary, "speech", "--by", asker, "--seed", str(seed), "--count", str(count), *more]
    return [json.loads(line) for line in subprocess.check_output(command, text=True).splitlines()]


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--steps", type=int, default=1000, help="how long to train; the learning rate falls towards it")
    parse.add_argument("--samples", type=int, default=32, help="of each asker in a step")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--threads", type=int, default=1)
    parse.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parse.add_argument("--shape", default=SHAPE, help="width,layers,heads,inner")
    parse.add_argument("--binary", default=os.path.join(train.HERE, "..", "target", "release", "model-trainer"))
    parse.add_argument("--out", default=OUT)
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    spoken = {asker: speech(args.binary, asker, args.seed, POOL) for asker in ASKERS}
    tokens = text_tokens.vocabulary([sample for samples in spoken.values() for sample in samples[:SPOKEN]])
    pools = [Pool(samples, tokens) for samples in spoken.values()]
    held = [Pool(speech(args.binary, asker, args.seed, 500, "--held-out"), tokens) for asker in ASKERS]
    held = [pool.batch(500, np.random.default_rng(args.seed), True) for pool in held]
    model = Model(len(tokens), [], *map(int, args.shape.split(",")), context=CONTEXT)
    opts = train.optimizers(model, args.rate)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(tokens)} tokens", flush=True)

    start = report = time.time()
    losses = []
    for step in range(args.steps):
        fraction = step / args.steps
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = args.rate * train.schedule(fraction, step)
        dice = np.random.default_rng([args.seed, step])
        now = []
        for pool in pools:
            whole = dice.random() < (0.1 if fraction < 0.6 else 0.7)
            inputs, places, targets, first = train.inputs_and_targets(pool.batch(args.samples, dice, whole))
            logits = model(inputs, places, first)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=train.IGNORE)
            loss.backward()
            now.append(float(loss.detach()))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        losses.append(now)
        last = step + 1 == args.steps
        if time.time() - report > 60 or last:
            report = time.time()
            mean = " ".join(f"{loss:.4f}" for loss in np.mean(losses, 0))
            scores = {asker: round(train.exact(model, batch), 4) for asker, batch in zip(ASKERS, held)}
            print(f"{report - start:5.0f} s  step {step + 1} of {args.steps}  loss {mean}  exact {json.dumps(scores)}", flush=True)
            losses = []
    export(model, tokens, args)


def export(model, tokens, args):
    """Half-precision weights, and in the file's notes everything else that it takes to use them."""
    tensors = {name: tensor.half().numpy() for name, tensor in model.state_dict().items()}
    notes = {
        "format": FORMAT,
        "model": "text",
        "hash": f"{train.fnv1a(train.tensor_bytes(save_safetensors(tensors))):016x}",
        "logit_scale": str(train.LOGIT_SCALE),
        "rope_base": str(train.ROPE_BASE),
        "context": str(CONTEXT),
        "tokens": text_tokens.to_note(tokens),
        "trained": f"seed {args.seed}, {args.steps} steps of {args.samples} prompts each of " + " and ".join(ASKERS),
        **{key: str(value) for key, value in model.config.items()},
    }
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "softrouter-text.safetensors")
    with open(path, "wb") as file:
        file.write(save_safetensors(tensors, notes))
    print(f"{path}: {os.path.getsize(path)} bytes, {notes['hash']}", flush=True)


if __name__ == "__main__":
    main()
