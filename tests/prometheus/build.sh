#!/bin/sh
# Builds what the alerts, the dashboard and the metrics are tested with: Prometheus and its promtool,
# from source.
#
#   tests/prometheus/build.sh
#
# The first build takes a few minutes of two cores. What is built stays in the user's cache and is
# found there from then on. Progress goes to stderr; the folder that holds the programs is the one
# line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf 'prometheus: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }
# shellcheck source=tests/go.sh
. "$here/../go.sh"

upstream=github.com/prometheus/prometheus
version=$(required "$here/go.mod" "$upstream")

# The version is in the name, so a new one in go.mod is built beside the old one.
home=${XDG_CACHE_HOME:-$HOME/.cache}/postern/prometheus-$version
bin=$home/bin

is_built() { [ -x "$bin/prometheus" ] && [ -x "$bin/promtool" ]; }

if ! is_built; then
    need_go "$here/go.mod"
    wait_for_turn "$home"
    mkdir -p "$bin"
fi

if ! is_built; then
    work=$(mktemp -d "$home/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    say "building $upstream $version (the first time takes minutes)"
    # Without the discovery of targets in other people's clouds: these are told where theirs are.
    ask_go "$here" build -mod=readonly -trimpath -buildvcs=false -tags remove_all_sd \
        -ldflags '-s -w' -o "$work/" "$upstream/cmd/prometheus" "$upstream/cmd/promtool"
    # Renamed only when whole: an interrupted build leaves no half program behind.
    for program in promtool prometheus; do
        mv "$work/$program" "$bin/"
        say "built $bin/$program"
    done
fi

printf '%s\n' "$bin"
