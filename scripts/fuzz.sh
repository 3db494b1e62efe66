#!/usr/bin/env bash
# Runs every fuzz target for as many seconds as given; new inputs stay in fuzz/corpus, so that the
# ordinary tests run them from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly SECONDS_EACH=${1:-60}

command -v clang++ >/dev/null || command -v g++ >/dev/null || { echo "a C++ compiler is needed" >&2; exit 1; }
PATH="$PWD/target/tools/bin:$PATH"
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked --root target/tools cargo-fuzz

# The program's own optimisation takes minutes for each target, and leaves out checks that are wanted here.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=none
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true

# Without a sanitizer libFuzzer needs no nightly compiler; what is hunted here is panics, hangs and
# unbounded growth, in code without `unsafe`.
for target in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    printf '\n== %s, %s s\n' "$name" "$SECONDS_EACH"
    cargo fuzz run --sanitizer none --features libfuzzer "$name" -- \
        -max_total_time="$SECONDS_EACH" -max_len=65536 -timeout=5 -rss_limit_mb=1024
done
