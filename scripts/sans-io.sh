#!/usr/bin/env bash
# The cores are given time, packets and randomness: none of their dependencies may bring a runtime,
# a clock or a socket along.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly FORBIDDEN='^(tokio|async-std|smol|mio|socket2|quinn-udp|str0m|axum|hyper|chrono|time) '

status=0
for core in conclave-proto conclave-room conclave-qos conclave-network conclave-wasm conclave-rtp conclave-sfu conclave-turn conclave-gateway; do
    tree=$(cargo tree --locked --edges normal --prefix none --package "$core")
    if found=$(grep -E "$FORBIDDEN" <<<"$tree"); then
        printf '%s must not depend on:\n%s\n' "$core" "$found"
        status=1
    fi
done
exit "$status"
