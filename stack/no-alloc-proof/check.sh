#!/bin/sh
# Runs the proof, then looks for an allocator among its symbols. `make test` calls this.
set -eu
here=$(dirname "$0")
target=${CARGO_TARGET_DIR:-$here/../../target}/no-alloc-proof
cargo run --quiet --manifest-path "$here/Cargo.toml" --target-dir "$target"
symbols=$(nm "$target/debug/no-alloc-proof")
if found=$(printf '%s\n' "$symbols" | grep -E '__(rust|rg|rdl)_(alloc|realloc)|_ZN5alloc|[Uu] (malloc|calloc|realloc)'); then
    printf 'no-alloc-proof: there is an allocator in it:\n%s\n' "$found" >&2
    exit 1
fi
echo "no-alloc-proof: one frame forwarded from static memory; $(printf '%s\n' "$symbols" | wc -l) symbols, no allocator"
