"""Judge of the HTTP backends: a real llama.cpp serves the text model, and `softrouter` asks it in each dialect."""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import tempfile

import export_gguf
import serve
import test_llama_cpp
import text_tokens

WEIGHTS = os.path.join(export_gguf.HERE, "text", "softrouter-text.safetensors")
ROUTER = os.path.join(export_gguf.HERE, "..", "target", "release", "softrouter")
CONTEXT = 1024
# Of 100 questions of the exam's triage, and of 100 prompts of the slow path, so many must be answered rightly: some less
# than the model did when it was trained.
RIGHT = 95
# No training has this seed.
SEED = 5
PROMPTS = 40
# Answers at random, with and without a grammar.
HOT = 20


def messages(sample):
    return [{"role": "system", "content": sample["system"]}, {"role": "user", "content": sample["user"]}]


def tokens_agree(client, tokens, samples):
    """Does llama.cpp put prompts together and split them as training did?"""
    read = text_tokens.Tokenizer(tokens).read
    for sample in samples:
        text = client.post("/apply-template", messages=messages(sample))["prompt"]
        theirs = client.post("/tokenize", content=text, add_special=False, parse_special=True)["tokens"]
        marks = text_tokens.USER.decode(), text_tokens.ANSWER.decode()
        if theirs != read(sample["system"] + marks[0] + sample["user"] + marks[1]):
            yield f"llama.cpp reads {text!r} as {theirs}"
        if b"".join(tokens[token] for token in theirs).decode() != text:
            yield f"what llama.cpp reads is not {text!r}"


def grammar_holds(client, sample):
    """At a temperature at which this model writes anything at all, a schema still makes it write what conforms."""
    # Names only: a string without an end would meet the limit of tokens.
    names = {"action": ["drop", "forward"], "scope": ["flow", "class"]}
    schema = {
        "type": "object",
        "properties": {key: {"type": "string", "enum": values} for key, values in names.items()},
        "required": list(names),
        "additionalProperties": False,
    }
    format = {"type": "json_schema", "json_schema": {"name": "triage", "strict": True, "schema": schema}}
    heat = {"temperature": 50, "min_p": 0, "top_p": 1, "top_k": 0, "max_completion_tokens": 400}

    def conforming(more):
        count = 0
        for seed in range(HOT):
            body = {"messages": messages(sample), "seed": seed, **heat, **more}
            text = client.post("/v1/chat/completions", **body)["choices"][0]["message"]["content"]
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(text)
                count += set(said) == set(names) and all(said[key] in values for key, values in names.items())
        return count

    held, free = conforming({"response_format": format}), conforming({})
    print(f"at random: {held} of {HOT} answers conform with a schema, {free} without", flush=True)
    if held < HOT or free > 0:
        yield f"{held} of {HOT} answers conform with a schema, {free} without"


def run(folder, *command):
    """Runs the router as a user does. Its report, and what is wrong with the run."""
    path = os.path.join(folder, "report.json")
    ran = subprocess.run([*command, "--json", path], capture_output=True, text=True)
    if ran.returncode != 0:
        return None, f"exit status {ran.returncode}: {ran.stdout[-2000:]} {ran.stderr[-2000:]}"
    with open(path) as file:
        return json.load(file), None


def examine(router, backend, folder):
    """The exam's triage."""
    report, wrong = run(folder, router, "exam", "--quick", "--tasks", "triage", "--backend", backend)
    if wrong:
        yield wrong
        return
    sitting = report["sittings"][0]
    count = lambda key: sum(score[key] for score in sitting["scores"])
    asked, right, missing = count("asked"), count("right"), count("unanswered") + count("failed")
    mean = lambda key: statistics.mean(score[key] for score in sitting["scores"])
    p50 = statistics.median(score["latency_us"]["p50"] for score in sitting["scores"]) / 1e3
    print(
        f"exam of {backend}: {right} of {asked} right, {missing} unanswered or failed; tokens {mean('tokens_in'):.0f} read,"
        f" {mean('tokens_out'):.0f} written; p50 {p50:.1f} ms",
        flush=True,
    )
    if sitting["cut_short"] or asked != report["questions"] or asked == 0:
        yield f"{asked} of {report['questions']} questions asked: {sitting['cut_short']}"
    if missing:
        yield f"{missing} questions without an answer that can be read"
    if right * 100 < RIGHT * asked:
        yield f"{right} of {asked} are right, {RIGHT} % must be"
    # Most of a prompt is read, and an answer is some tokens at least.
    if mean("tokens_in") < 50 or mean("tokens_out") < 10:
        yield "the tokens were not counted"


def route(router, backend, folder):
    """The lab, with the model server as the slow path."""
    report, wrong = run(folder, router, "lab", "--memory", "--seconds", "5", "--backend", backend)
    if wrong:
        yield wrong
        return
    total = lambda key: sum(row[key] for row in report["reasons"].values())
    approved, rejected = total("approved"), total("rejected")
    served = sum(row["served"] for row in report["repaired"])
    print(f"lab of {backend}: {approved} approved, {rejected} rejected, {served} frames served", flush=True)
    if approved * 100 < RIGHT * (approved + rejected):
        yield f"{approved} answers approved, {rejected} rejected: {report['rejections']}"
    if approved == 0 or served == 0:
        yield f"{approved} answers approved, {served} frames served"


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--weights", default=WEIGHTS, help="the text model")
    parse.add_argument("--binary", default=export_gguf.BINARY, help="model-trainer, built")
    parse.add_argument("--router", default=ROUTER, help="softrouter, built")
    args = parse.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "softrouter-text.gguf")
        tokens = export_gguf.export(args.weights, target, args.binary)
        server = serve.start(target, quiet=True, context=CONTEXT)
        address = server.listening_address
        client = test_llama_cpp.Client(address)
        ask = [args.binary, "speech", "--held-out", "--seed", str(SEED), "--count", str(PROMPTS), "--by"]
        samples = {
            asker: [json.loads(line) for line in subprocess.check_output([*ask, asker], text=True).splitlines()]
            for asker in ("router", "exam")
        }
        checks = {"tokens": tokens_agree(client, tokens, samples["router"] + samples["exam"])}
        checks["grammar"] = grammar_holds(client, samples["exam"][0])
        for dialect in ("openai", "anthropic"):
            checks[f"exam, {dialect}"] = examine(args.router, f"{dialect}:{address}", folder)
            checks[f"lab, {dialect}"] = route(args.router, f"{dialect}:{address}", folder)
        failures = [f"{check}: {what}" for check, found in checks.items() for what in found]
        # Ends the server, as the end of this process would.
        del server
    for failure in failures:
        print(f"WRONG {failure}")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
