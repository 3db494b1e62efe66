#!/usr/bin/env bash
# Runs the tests of web/e2e/networks: browsers behind NATs and firewalls. Arguments go to Playwright
# (scripts/networks.sh -g symmetric); UPDATE=1 writes what was measured into docs/networks.md.
#
# Everything happens inside namespaces of its own for the network, for processes and for mounts. There the
# tests may build what networks they like: nothing reaches a real one, names can clash with nobody's,
# and when the run ends, however it ends, the kernel takes all of it away.
set -euo pipefail
cd "$(dirname "$0")/.."

inside() {
    # A list of named network namespaces that nobody else sees.
    mount -t tmpfs tmpfs /run
    # What browsers and servers write goes the same way as the namespaces.
    export TMPDIR=/run
    ip link set lo up
    cd web
    # The only process that must end well: those that it leaves behind are killed with the namespace.
    CONCLAVE_NETWORKS=1 node node_modules/@playwright/test/cli.js test --config e2e/networks/playwright.config.ts "$@"
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
    exit
fi

for tool in unshare ip nft tc node turnserver turnutils_uclient; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null ||
        { echo "the tests of networks need $tool: scripts/setup.sh test installs it" >&2; exit 1; }
done

readonly NAMESPACES=(--mount --net --pid --fork --kill-child --mount-proc)
if ((EUID == 0)); then
    become=(unshare "${NAMESPACES[@]}")
elif unshare --user --map-root-user "${NAMESPACES[@]}" mount -t tmpfs tmpfs /run 2>/dev/null; then
    become=(unshare --user --map-root-user "${NAMESPACES[@]}")
elif sudo -n true 2>/dev/null; then
    become=(sudo -n env "PATH=$PATH" "UPDATE=${UPDATE:-}" unshare "${NAMESPACES[@]}")
else
    echo "the tests of networks make network namespaces: run them as root, or allow unprivileged user namespaces" >&2
    exit 1
fi
PATH=$PATH:/usr/sbin:/sbin exec "${become[@]}" scripts/networks.sh --inside "$@"
