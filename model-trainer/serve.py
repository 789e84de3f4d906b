"""Serves a GGUF with llama.cpp's HTTP server (PyPI xllamacpp) on loopback, until it is interrupted."""

import argparse
import signal

import xllamacpp


def start(model, port=0, threads=1, quiet=False, context=256):
    """llama.cpp's server with one slot, on a free port if `port` is 0. It ends with this process.

    Keys and values are kept as 32-bit floats, as the router keeps them; llama.cpp's own choice is 16 bits.
    """
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = port
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    # By default it may keep old prompts in 8 GiB of memory.
    params.cache_ram_mib = 0
    # Nothing is to be fitted to the machine: the model is small.
    params.fit_params = False
    if quiet:
        params.verbosity = 1
    return xllamacpp.Server(params)


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("model", help="the GGUF file")
    parse.add_argument("--port", type=int, default=8080)
    parse.add_argument("--threads", type=int, default=1)
    parse.add_argument("--context", type=int, default=0, help="tokens of prompt and answer; 0: as the model was trained")
    args = parse.parse_args()
    server = start(args.model, args.port, args.threads, context=args.context)
    print(server.listening_address, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
