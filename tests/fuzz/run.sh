#!/bin/sh
# Runs the fuzz targets one after the other. make fuzz ARGS="--seconds 600 --target classify"
# What they find of new paths is kept in target/fuzz; a crash is written to tests/fuzz/artifacts.
set -eu
seconds=60
targets="classify sequence answers quote prompt decode rules"
while [ $# -gt 0 ]; do
    case "$1" in
        --seconds) seconds=$2; shift 2 ;;
        --target) targets=$2; shift 2 ;;
        *) echo "usage: run.sh [--seconds N] [--target NAME]" >&2; exit 2 ;;
    esac
done
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "this needs cargo-fuzz and a C++ compiler: cargo install cargo-fuzz" >&2
    exit 1
fi
# cargo-fuzz needs the sanitizer flags of a nightly compiler; this lets a stable one take them.
export RUSTC_BOOTSTRAP=1
cd "$(dirname "$0")/../.."
failed=
for target in $targets; do
    found=target/fuzz/$target
    mkdir -p "$found"
    echo "$target: $seconds s"
    cargo fuzz run --fuzz-dir tests/fuzz "$target" "$found" "tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 || failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
