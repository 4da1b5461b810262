#!/bin/sh
# Installs or builds what `make run` and `make test` need, and says what it does.
#
#   tests/prepare.sh run|test
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf 'prepare: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

# install WHY PACKAGE...: from Debian, as root; otherwise say how
install() {
    why=$1
    shift
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$why. As root on Debian: apt-get install $*"
    fi
    say "installing $*: $why"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

need_rust() {
    want=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$here/../Cargo.toml")
    how="Get it from https://rustup.rs"
    command -v cargo >/dev/null || fail "building needs Rust $want or newer, and there is no 'cargo'. $how"
    have=$(rustc --version | cut -d' ' -f2)
    oldest=$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)
    [ "$oldest" = "$want" ] || fail "building needs Rust $want or newer, and this is $have. $how"
}

need_rust
command -v cc >/dev/null || install "TLS and SQLite are compiled from C" gcc libc6-dev

case ${1:-} in
run) ;;
test)
    [ -e /usr/lib/postgresql ] || command -v initdb >/dev/null ||
        install "the ledger is tested on a real PostgreSQL" postgresql
    command -v openssl >/dev/null || install "it makes keys that a server refuses" openssl
    make -s -C "$here/.." tools >&2
    "$here/pod-security/build.sh" >/dev/null
    "$here/prometheus/build.sh" >/dev/null
    "$here/cluster/build.sh" >/dev/null
    "$here/helm/build.sh" >/dev/null
    # Where a node cannot run, its tests say so themselves; everything else is tested all the same.
    "$here/cluster/node.sh" prepare || say "the tests on a real node will say why they do not run"
    # Where no image can be made, the same. What takes minutes of it the first time takes them here,
    # where it is seen.
    command -v buildah >/dev/null || command -v podman >/dev/null ||
        (install "the container image is made with it" buildah) || :
    "${here%/*}/deploy/image/build.sh" >/dev/null ||
        say "the tests of the container image will say why they do not run"
    ;;
*) fail "want 'run' or 'test', not '${1:-}'" ;;
esac
