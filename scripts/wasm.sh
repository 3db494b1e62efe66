#!/usr/bin/env bash
# Compiles for the browser (wasm32-unknown-unknown), on any machine that compiles the program.
#   wasm.sh prepare         fetches the target's standard library, unless it is there
#   wasm.sh build ARG...    cargo build for the target
# rustup brings the standard library. Where it cannot, its source of the compiler's very version comes from Debian, whose
# signature apt checks, into target/tools, and is compiled along; the system and the toolchain stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly TARGET=wasm32-unknown-unknown
# Seconds. A network that drops what it does not like lets rustup wait for much longer.
readonly RUSTUP_PATIENCE=120
# Debian's stable release has an older compiler; this is where it keeps those of its users who want a newer one.
readonly SUITE=trixie-backports
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly MIRROR=http://deb.debian.org/debian/

version=$(rustc --version | cut -d ' ' -f 2)
source=$PWD/target/tools/rust-src-$version

fail() { echo "wasm: $*" >&2; exit 1; }

has_target() {
    compgen -G "$(rustc --print target-libdir --target "$TARGET")/libstd-*.rlib" >/dev/null
}

add_target() {
    command -v rustup >/dev/null || return 1
    printf '\n== adding the target %s with rustup\n' "$TARGET"
    timeout "$RUSTUP_PATIENCE" rustup target add "$TARGET" && has_target
}

# apt with lists, sources and downloads of its own under $1, so that neither root nor the system's own are needed.
apt_in() {
    local folder=$1 command=$2
    shift 2
    "$command" -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$folder/lists" \
        -o Dir::Cache="$folder/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User="$(id -un)" "$@"
}

fetch_source() {
    [[ -e $KEYRING ]] || fail "rustup cannot add $TARGET, and $KEYRING (package debian-archive-keyring) is not there"
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        fail "rustup cannot add $TARGET, and this is not a Debian system: install the target by your system's own means"
    fi
    printf '\n== fetching the source of the standard library %s from Debian\n' "$version"
    mkdir -p target/tools
    local folder
    folder=$(mktemp -d "$PWD/target/tools/rust-src.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" EXIT
    mkdir -p "$folder"/{lists/partial,cache/archives/partial}
    echo "deb [signed-by=$KEYRING] $MIRROR $SUITE main" >"$folder/sources.list"
    apt_in "$folder" apt-get update -qq
    local package
    package=$(apt_in "$folder" apt-cache madison rust-src | awk -F ' *[|] *' -v version="$version" \
        'index($2, version "+") == 1 { print $2; exit }')
    [[ -n $package ]] || fail "rustup cannot add $TARGET, and Debian's $SUITE does not have rust-src $version"
    (cd "$folder" && apt_in "$folder" apt-get download -qq "rust-src=$package")
    mkdir "$folder/source"
    dpkg-deb --fsys-tarfile "$folder"/rust-src_*.deb |
        tar x -C "$folder/source" --strip-components=4 "./usr/src/rustc-$version/library"
    # Whole or not at all: an interrupted run leaves nothing that looks complete.
    mv "$folder/source" "$source"
}

prepare() {
    has_target || [[ -d $source ]] || add_target || fetch_source
}

build() {
    if has_target; then
        exec cargo build --target "$TARGET" "$@"
    fi
    [[ -d $source ]] || fail "the standard library of $TARGET is missing: run scripts/wasm.sh prepare"
    # Cargo keeps compiling std to nightly compilers, and the place of its source to itself. The compiler is the same.
    RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$source/library \
        exec cargo build --target "$TARGET" -Zbuild-std=std,panic_abort "$@"
}

case "${1:-}" in
    prepare) prepare ;;
    build) shift; build "$@" ;;
    *) echo "usage: $0 prepare | build ARG..." >&2; exit 2 ;;
esac
