#!/usr/bin/env bash
# The server, and before it a page server that reloads the page as it is edited. Both end with this script.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build -p conclave
target/debug/conclave serve --listen 127.0.0.1:8443 --data target/dev-data &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
npm --prefix web run dev
