"""Tokens of the text model: bytes, words and phrases of the prompts. The longest that fits is taken, from left to right,
as llama.cpp's tokenizer `rwkv` does."""

import json
import re

# A digit is its own token's number, as for the embedded models.
DIGITS = [b"%x" % digit for digit in range(16)]
# The end of an answer, what stands for nothing, and what a chat template writes after the constant part and after the
# question.
END, PAD, USER, ANSWER = b"<end>", b"<pad>", b"<user>", b"<answer>"
SPECIAL = [END, PAD, USER, ANSWER]
# In front of eight digits that are drawn by chance.
NONCE, BOUNDARY = b',"nonce":"', (b"<frame-", b"</frame-")
# Values that are not learnt by heart: numbers in quotes.
NUMBER = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}")
# A word like `add` would swallow digits of a nonce.
HEX = re.compile(rb"[0-9a-f]+")


def phrases_of(sample):
    """A sample's phrases: lines and words of its constant part, keys and values of its JSON, and what stands around it."""
    yield from sample["system"].splitlines(keepends=True)
    yield from re.findall(r" ?\w+", sample["system"])
    before, data, after = re.split(r"(?<=\n)(\{.*\})(?=\n)", sample["user"])
    # What is drawn by chance stays digits.
    for line in (before + after).splitlines(keepends=True):
        yield from re.split(r"[0-9a-f]{8}", line)
    for part in (data, sample["answer"]):
        yield from json_phrases(json.loads(part))


def json_phrases(value, key=None):
    if isinstance(value, dict):
        for key, inner in value.items():
            mark = f'"{key}":'
            yield from (mark, "," + mark, "{" + mark)
            yield from json_phrases(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from json_phrases(inner)
    elif isinstance(value, str) and not NUMBER.fullmatch(value):
        yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        yield json.dumps(value)


def vocabulary(samples):
    """The tokens, each some bytes, of some samples: sorted, so that the same prompts give the same."""
    phrases = {phrase.encode() for sample in samples for phrase in phrases_of(sample)} | {NONCE, *BOUNDARY}
    first = DIGITS + SPECIAL
    singles = [byte for byte in map(lambda code: bytes([code]), range(256)) if byte not in first]
    is_more = lambda phrase: len(phrase) > 1 and phrase not in first and not HEX.fullmatch(phrase)
    return first + singles + sorted(filter(is_more, phrases))


class Tokenizer:
    """Text to tokens."""

    def __init__(self, tokens):
        self.numbers = {token: number for number, token in enumerate(tokens)}
        # Lengths that tokens with these first two bytes have, the longest first.
        self.lengths = {}
        for token in tokens:
            self.lengths.setdefault(token[:2], set()).add(len(token))
        self.lengths = {start: sorted(lengths, reverse=True) for start, lengths in self.lengths.items()}

    def read(self, text):
        data, at, found = text.encode(), 0, []
        while at < len(data):
            for length in self.lengths.get(data[at : at + 2], ()):
                if data[at : at + length] in self.numbers:
                    break
            else:
                length = 1
            found.append(self.numbers[data[at : at + length]])
            at += length
        return found


def to_note(tokens):
    """Tokens as a safetensors file's metadata holds them: each byte is a character."""
    return json.dumps([token.decode("latin-1") for token in tokens])


def of_note(note):
    return [token.encode("latin-1") for token in json.loads(note)]
