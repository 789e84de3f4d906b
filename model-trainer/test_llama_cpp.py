"""Judge of the GGUF export: a real llama.cpp serves it and must answer token for token as the router's inference."""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import tempfile
import time

import export_gguf
import serve

# Models, the tasks that they are asked, and how many of 100 prompts that training never saw must be answered right,
# so that no untrained model passes.
TASKS = {
    "decide": {"triage": 90, "repair": 90},
    "ping": {"ping_delta": 90, "ping_full": 90},
}
# Two logits closer than this may change places: both programs add up 32-bit floats, in different orders. The test in
# Rust allows the router's a distance of 2e-3 from PyTorch's, and llama.cpp's may be as far off the other way.
TIE = 4e-3
# One prompt in so many is also sent as text.
TEXT = 5
SEED = 4


class Client:
    """Asks llama.cpp's server, over a new connection each time: it closes one that was idle for some seconds."""

    def __init__(self, address):
        self.address = address.removeprefix("http://")

    def post(self, path, **body):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status} {answer}")
        return answer

    def complete(self, prompt, **more):
        # A prompt is read whole each time, as the router reads it.
        return self.post("/completion", prompt=prompt, temperature=0, return_tokens=True, cache_prompt=False, **more)


def names_of(tokens, names):
    return "".join(names[token] for token in tokens)


def gap(client, prompt, ours, theirs):
    """Where the answers part, and how far apart llama.cpp's logits of the two tokens are."""
    at = next(at for at, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1])
    answer = client.complete(prompt + ours[:at], n_predict=1, n_probs=1000)
    found = {entry["id"]: entry["logprob"] for entry in answer["completion_probabilities"][0]["top_logprobs"]}
    return at, abs(found[theirs[at]] - found[ours[at]])


def examine(client, names, task, items, grammar):
    """Asks one task's prompts; returns a line of figures and what is wrong."""
    same = ties = same_int8 = right = 0
    walls, insides, wrong = [], [], []
    for at, item in enumerate(items):
        prompt, ours = item["prompt"], item["float32"]["tokens"]
        start = time.perf_counter()
        answer = client.complete(prompt, n_predict=128, grammar=grammar)
        walls.append(1e3 * (time.perf_counter() - start))
        insides.append(answer["timings"]["prompt_ms"] + answer["timings"]["predicted_ms"])
        theirs = answer["tokens"]
        right += theirs == item["right"]
        same_int8 += theirs == item["int8"]["tokens"]
        same += theirs == ours
        if theirs != ours:
            place, distance = gap(client, prompt, ours, theirs)
            ties += distance < TIE
            if distance >= TIE:
                pair = f"{names[theirs[place]]}, not {names[ours[place]]}"
                wrong.append(f"prompt {at}, answer's token {place}: {pair}, by {distance:.4f} in logits")
        if answer["stop_type"] != "eos" or answer["content"] != names_of(theirs[:-1], names):
            wrong.append(f"prompt {at}: {answer['stop_type']}, {answer['content']}")
        text = names_of(prompt, names)
        read = client.post("/tokenize", content=text, add_special=False, parse_special=True)["tokens"]
        if read != prompt:
            wrong.append(f"prompt {at} as text: read as {read}, not {prompt}")
        if at % TEXT == 0 and client.complete(text, n_predict=128, grammar=grammar)["tokens"] != theirs:
            wrong.append(f"prompt {at} as text is answered differently")
    p50 = lambda precision: statistics.median(item[precision]["micros"] for item in items) / 1e3
    line = (
        f"{task:10} {same:3} of {len(items)} as float32, {ties} near-ties; {same_int8} as int8; {right} right;"
        f" p50 ms a prompt: llama.cpp {statistics.median(walls):.2f} over HTTP, {statistics.median(insides):.2f} inside;"
        f" router {p50('float32'):.2f} float32, {p50('int8'):.2f} int8"
    )
    return line, right, wrong


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--models", default=export_gguf.MODELS, help="folder of the safetensors files")
    parse.add_argument("--binary", default=export_gguf.BINARY, help="model-trainer, built")
    parse.add_argument("--count", type=int, default=50, help="prompts of each task")
    parse.add_argument("--untrained", action="store_true", help="compare only; do not ask for right answers")
    args = parse.parse_args()
    run = lambda *words: subprocess.check_output([args.binary, *words], text=True)
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for model, tasks in TASKS.items():
            weights = os.path.join(args.models, f"softrouter-{model}.safetensors")
            target = os.path.join(folder, f"softrouter-{model}.gguf")
            names = export_gguf.export(weights, target, args.binary)
            server = serve.start(target, quiet=True)
            client = Client(server.listening_address)
            for task, least in tasks.items():
                asked = ["--task", task, "--count", str(args.count), "--seed", str(SEED), "--model", weights]
                items = [json.loads(line) for line in run("answers", "--contiguous", *asked).splitlines()]
                line, right, wrong = examine(client, names, task, items, run("grammar", "--task", task))
                print(line, flush=True)
                if right * 100 < least * len(items) and not args.untrained:
                    wrong.append(f"{right} of {len(items)} are right, {least} % must be")
                failures += [f"{task}: {what}" for what in wrong]
            # Ends the server, as the end of this process would.
            del server
    for failure in failures:
        print(f"WRONG {failure}")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
