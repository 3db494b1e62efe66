#!/usr/bin/env bash
# Compares the media plane with the floor and with Janus: scripts/bench-media.sh CONCLAVE LOAD [ARGUMENTS of
# `conclave-load compare`]. Figures are appended to target/bench/results.jsonl.
#
# Servers run in a network namespace with an address of its own, since Janus takes no loopback addresses, and bots in
# another, a virtual cable between them. Both are inside namespaces that nobody else sees: nothing reaches a real
# network, and when the run ends, however it ends, the kernel takes all of it away, processes too.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BOTS=10.250.0.1 SERVER=10.250.0.2
# More than all runs of all cases take.
readonly LONGEST_S=3600

inside() {
    local conclave=$1 load=$2 janus
    shift 2
    # A list of named network namespaces that nobody else sees; what servers write goes the same way.
    mount -t tmpfs tmpfs /run
    export TMPDIR=/run
    ip link set lo up
    ip netns add server
    ip link add bots type veth peer name eth0 netns server
    ip address add "$BOTS/24" dev bots
    ip link set bots up
    ip -n server address add "$SERVER/24" dev eth0
    ip -n server link set eth0 up
    ip -n server link set lo up
    janus=$(command -v janus) || echo "janus is not installed: it is left out (scripts/setup.sh bench installs it)" >&2
    exec timeout --kill-after=10 "$LONGEST_S" "$load" compare --conclave "$conclave" ${janus:+--janus "$janus"} \
        --namespace server --server-address "$SERVER" --bots-address "$BOTS" --json target/bench/results.jsonl "$@"
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
    exit
fi

(($# >= 2)) || { echo "usage: $0 CONCLAVE LOAD [ARGUMENTS]" >&2; exit 2; }
export PATH=$PATH:/usr/sbin:/sbin
for tool in unshare nsenter ip taskset; do
    command -v "$tool" >/dev/null || { echo "comparing needs $tool: scripts/setup.sh bench installs it" >&2; exit 1; }
done

readonly NAMESPACES=(--mount --net --pid --fork --kill-child --mount-proc)
if ((EUID == 0)); then
    become=(unshare "${NAMESPACES[@]}")
elif unshare --user --map-root-user "${NAMESPACES[@]}" mount -t tmpfs tmpfs /run 2>/dev/null; then
    become=(unshare --user --map-root-user "${NAMESPACES[@]}")
elif sudo -n true 2>/dev/null; then
    become=(sudo -n env "PATH=$PATH" unshare "${NAMESPACES[@]}")
else
    echo "comparing makes network namespaces: run it as root, or allow unprivileged user namespaces" >&2
    exit 1
fi
exec "${become[@]}" scripts/bench-media.sh --inside "$@"
