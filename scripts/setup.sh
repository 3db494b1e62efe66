#!/usr/bin/env bash
# Installs what is missing on a Debian machine, and says what. `build`: what compiling needs;
# `test`, `bench`: what tests or measuring need besides. What is there already costs no time.
set -euo pipefail
cd "$(dirname "$0")/.."

# Later versions may judge differently: a new one is taken by hand, with its findings.
readonly CARGO_DENY_VERSION=0.20.2
# PyAV carries FFmpeg 8.1 with its WHIP muxer.
readonly STREAMING_PEERS=(av==18.0.0 aiortc==1.16.0 aiohttp==3.14.5)

say() { printf '\n== %s\n' "$*"; }

need_command() {
    command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# install_packages COMMAND:PACKAGE... installs the packages whose command is not there. A COMMAND
# that starts with / is a file.
install_packages() {
    local pair missing=()
    for pair in "$@"; do
        local probe=${pair%%:*} package=${pair#*:}
        if [[ $probe == /* ]]; then [[ -e $probe ]]; else command -v "$probe" >/dev/null; fi || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    need_command apt-get "install ${missing[*]} by your system's own means"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

setup_build() {
    need_command cargo "install Rust 1.95 or later, see https://rustup.rs"
    need_command npm "install Node.js 20.19 or later, see https://nodejs.org"
    install_packages cc:build-essential
}

# The other side of TURN. Debian starts a server that it installs; here only tests start one.
setup_coturn() {
    [[ -e /usr/bin/turnserver ]] && return
    if [[ -d /run/systemd/system ]]; then as_root systemctl --quiet mask coturn.service; fi
    install_packages /usr/bin/turnserver:coturn
}

# The other SFU. As with coturn, only benchmarks start one.
setup_janus() {
    install_packages /usr/sbin/ip:iproute2 unshare:util-linux taskset:util-linux
    command -v janus >/dev/null && return
    if [[ -d /run/systemd/system ]]; then as_root systemctl --quiet mask janus.service; fi
    # Other systems may not have it: then it is left out.
    install_packages janus:janus || echo "janus could not be installed: there is nothing to compare the SFU with" >&2
}

# Independent WHIP and WHEP peers. They are found by their versions, so that new ones are installed.
setup_streaming() {
    local venv=target/venv/streaming
    [[ "$(cat "$venv/installed" 2>/dev/null)" == "${STREAMING_PEERS[*]}" ]] && return
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages /usr/bin/python3:python3 /usr/lib/python3/dist-packages/ensurepip:python3-venv
    say "installing ${STREAMING_PEERS[*]} into $venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${STREAMING_PEERS[@]}"
    echo "${STREAMING_PEERS[*]}" >"$venv/installed"
}

setup_test() {
    # Without it one step fails, and says so; the others can run.
    scripts/wasm.sh prepare || echo "the step wasm will fail: its target is missing" >&2
    setup_streaming
    setup_coturn
    install_packages chromium:chromium firefox-esr:firefox-esr shellcheck:shellcheck pebble:pebble \
        /usr/sbin/ip:iproute2 /usr/sbin/nft:nftables unshare:util-linux \
        /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc:fonts-noto-cjk
    if command -v rustup >/dev/null; then
        cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
        cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
    fi
    if ! [[ -x target/tools/bin/cargo-deny ]] && ! command -v cargo-deny >/dev/null; then
        say "installing cargo-deny $CARGO_DENY_VERSION into target/tools"
        # Unoptimised: it runs for seconds, and compiles in a third of the time.
        cargo install --quiet --locked --debug --root target/tools --target-dir target/tools/build \
            --version "$CARGO_DENY_VERSION" cargo-deny
        rm -rf target/tools/build
    fi
}

case "${1:-}" in
    build) setup_build ;;
    test) setup_build; setup_test ;;
    bench) setup_build; setup_coturn; setup_janus ;;
    *) echo "usage: $0 build|test|bench" >&2; exit 2 ;;
esac
