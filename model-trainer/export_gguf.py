"""Exports an embedded model, or the text model, as GGUF, so that llama.cpp loads and serves it."""

import argparse
import os
import subprocess

import gguf
import numpy as np
from safetensors import safe_open

import text_tokens

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "llm-slowpath", "model")
BINARY = os.path.join(HERE, "..", "target", "release", "model-trainer")

# What train.py and train_text.py write.
FORMAT, TEXT_FORMAT = "softrouter-tiny-2", "softrouter-text-1"
EPSILON = 1e-5
# Positions that training has shown.
CONTEXT = 256

# A prompt holds its first token itself, so nothing is to be added to it.
BEGIN, END, PAD = "<begin>", "<end>", "<pad>"

# A chat's messages are an embedded model's prompt as they stand. The text model was taught marks after the constant part
# and after the question.
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
TEXT_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<user>{% endif %}{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<answer>{% endif %}"
)


def vocabulary(binary, size):
    """Names of the tokens; those that stand for nothing get different ones."""
    names = subprocess.check_output([binary, "vocabulary"], text=True).split("\n")[:size]
    return [f"<unused_{token}>" if name == "<unused>" else name for token, name in enumerate(names)]


def kind(name):
    """llama.cpp splits text at user-defined tokens, the longest first: it finds `x41` before the digits in it."""
    if name == END:
        return gguf.TokenType.CONTROL
    if name == PAD or name.startswith("<unused_"):
        return gguf.TokenType.UNUSED
    return gguf.TokenType.USER_DEFINED


def escaped(token):
    """A token of bytes as llama.cpp's tokenizer `rwkv` wants it."""
    plain = lambda code: 32 <= code < 127 and code != ord("\\")
    return "".join(chr(code) if plain(code) else f"\\x{code:02x}" for code in token)


def neighbouring(rows, heads):
    """Queries or keys, reordered: llama.cpp rotates neighbouring features, the router a head's two halves."""
    width = rows.shape[0]
    return rows.reshape(heads, 2, width // heads // 2, width).swapaxes(1, 2).reshape(width, width)


def tensors(read, layers, heads, scale):
    """Names and values as llama.cpp wants them."""
    yield "token_embd", read("embedding")
    # The embedding makes the logits, too. Their scale moves into the norm before it.
    yield "output_norm", read("norm") * np.float32(scale)
    for layer in range(layers):
        part = lambda name: read(f"blocks.{layer}.{name}")
        query, key, value = np.split(part("qkv"), 3)
        gate, up = np.split(part("gate_up"), 2)
        parts = {
            "attn_norm": part("norm1"),
            "attn_q": neighbouring(query, heads),
            "attn_k": neighbouring(key, heads),
            "attn_v": value,
            "attn_output": part("out"),
            "ffn_norm": part("norm2"),
            "ffn_gate": gate,
            "ffn_up": up,
            "ffn_down": part("down"),
        }
        yield from ((f"blk.{layer}.{name}", tensor) for name, tensor in parts.items())


def add_embedded_tokens(writer, names):
    writer.add_token_list(names)
    writer.add_token_types([int(kind(name)) for name in names])
    writer.add_bos_token_id(names.index(BEGIN))
    writer.add_eos_token_id(names.index(END))
    writer.add_unk_token_id(names.index(PAD))
    writer.add_pad_token_id(names.index(PAD))
    writer.add_chat_template(CHAT)


def add_text_tokens(writer, tokens):
    end, pad = text_tokens.END, text_tokens.PAD
    kinds = {end: gguf.TokenType.CONTROL, pad: gguf.TokenType.UNUSED}
    writer.add_token_list([escaped(token) for token in tokens])
    writer.add_token_types([int(kinds.get(token, gguf.TokenType.NORMAL)) for token in tokens])
    writer.add_eos_token_id(tokens.index(end))
    writer.add_unk_token_id(tokens.index(pad))
    writer.add_pad_token_id(tokens.index(pad))
    writer.add_chat_template(TEXT_CHAT)


def export(source, target, binary=BINARY):
    """Writes the model in the safetensors file `source` as GGUF to `target`: 32-bit floats, which hold its half
    precision exactly. Returns its tokens: an embedded model's names, the text model's bytes."""
    with safe_open(source, "np") as file:
        notes = file.metadata() or {}
        if notes.get("format") not in (FORMAT, TEXT_FORMAT):
            raise SystemExit(f"{source} has format {notes.get('format')}, not {FORMAT} or {TEXT_FORMAT}")
        is_text = notes["format"] == TEXT_FORMAT
        number = lambda key: int(notes[key])
        tokens = text_tokens.of_note(notes["tokens"]) if is_text else vocabulary(binary, number("vocabulary"))
        writer = gguf.GGUFWriter(target, "llama")
        writer.add_name(f"softrouter-{notes['model']}")
        writer.add_description(f"Softrouter's model {notes['model']}, {notes['hash']}: {notes['trained']}")
        writer.add_license("0BSD")
        writer.add_file_type(gguf.LlamaFileType.ALL_F32)
        writer.add_vocab_size(len(tokens))
        writer.add_context_length(int(notes.get("context", CONTEXT)))
        writer.add_embedding_length(number("width"))
        writer.add_block_count(number("layers"))
        writer.add_feed_forward_length(number("inner"))
        writer.add_head_count(number("heads"))
        writer.add_head_count_kv(number("heads"))
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_rope_dimension_count(number("width") // number("heads"))
        writer.add_rope_freq_base(float(notes["rope_base"]))
        # This tokenizer takes the longest token that fits, and `<pad>` where none does.
        writer.add_tokenizer_model("rwkv")
        writer.add_token_scores([0.0] * len(tokens))
        (add_text_tokens if is_text else add_embedded_tokens)(writer, tokens)
        writer.add_add_bos_token(False)
        writer.add_add_eos_token(False)
        writer.add_add_space_prefix(False)
        read = lambda name: file.get_tensor(f"{name}.weight").astype(np.float32)
        for name, tensor in tensors(read, number("layers"), number("heads"), float(notes["logit_scale"])):
            writer.add_tensor(f"{name}.weight", np.ascontiguousarray(tensor))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return tokens


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--models", default=MODELS, help="folder of the safetensors files")
    parse.add_argument("--model", action="append", help="which to export (may be repeated); else all that are there")
    parse.add_argument("--out", default=os.path.join(HERE, "runs"), help="folder to write to")
    parse.add_argument("--binary", default=BINARY, help="model-trainer, built")
    args = parse.parse_args()
    prefix, suffix = "softrouter-", ".safetensors"
    found = [file[len(prefix) : -len(suffix)] for file in sorted(os.listdir(args.models)) if file.startswith(prefix)]
    if not (args.model or found):
        raise SystemExit(f"no {prefix}*{suffix} in {args.models}")
    os.makedirs(args.out, exist_ok=True)
    for model in args.model or found:
        target = os.path.join(args.out, f"{prefix}{model}.gguf")
        names = export(os.path.join(args.models, f"{prefix}{model}{suffix}"), target, args.binary)
        print(f"{target}: {os.path.getsize(target)} bytes, {len(names)} tokens")


if __name__ == "__main__":
    main()
