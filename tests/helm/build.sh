#!/bin/sh
# Builds the helm that the chart is tested with, from source.
#
#   tests/helm/build.sh
#
# The first build takes about two minutes of two cores. What is built stays in the user's cache and is
# found there from then on. Progress goes to stderr; the folder that holds `helm` is the one line on
# stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf 'helm: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }
# shellcheck source=tests/go.sh
. "$here/../go.sh"

module=helm.sh/helm/v4
version=$(required "$here/go.mod" "$module")

# The version is in the name, so a new one in go.mod is built beside the old one.
home=${XDG_CACHE_HOME:-$HOME/.cache}/postern/helm-$version
program=$home/helm

if [ ! -x "$program" ]; then
    need_go "$here/go.mod"
    wait_for_turn "$home"
fi

if [ ! -x "$program" ]; then
    say "building $module $version (the first time takes minutes)"
    work=$(mktemp -d "$home/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    # Unless told its version, helm calls itself by the next one, unreleased.
    ask_go "$here" build -mod=readonly -trimpath -buildvcs=false \
        -ldflags "-s -w -X $module/internal/version.version=$version" \
        -o "$work/helm" "$module/cmd/helm"
    # Renamed only when whole: an interrupted build leaves no half program behind.
    mv "$work/helm" "$program"
    say "built $program"
fi

printf '%s\n' "$home"
