#!/bin/sh
# Builds the program that judges pods as Kubernetes' own Pod Security admission does, and moves
# upstream's fixtures to ephemeral containers.
#
#   tests/pod-security/build.sh
#
# The first build takes about half a minute. What is built stays in the user's cache and is found
# there from then on. Progress goes to stderr; the folder that holds `pod-security` and
# `fixtures.jsonl` is the one line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf 'pod-security: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }
# shellcheck source=tests/go.sh
. "$here/../go.sh"

upstream=k8s.io/pod-security-admission
version=$(required "$here/go.mod" "$upstream")

# The version alone would find an older program of ours after a change here.
ours=$(cat "$here"/go.mod "$here"/go.sum "$here"/*.go "$here"/build.sh "$here"/../go.sh | sha256sum | cut -c 1-12)
home=${XDG_CACHE_HOME:-$HOME/.cache}/postern/pod-security-$version-$ours
program=$home/pod-security
# Written last, so whoever finds it finds everything.
fixtures=$home/fixtures.jsonl

if [ ! -f "$fixtures" ]; then
    need_go "$here/go.mod"
    wait_for_turn "$home"
fi

if [ ! -f "$fixtures" ]; then
    say "building with $upstream $version (the first time takes half a minute)"
    work=$(mktemp -d "$home/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    ask_go "$here" build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' \
        -o "$work/pod-security" .
    testdata=$(ask_go "$here" list -mod=readonly -m -f '{{.Dir}}' "$upstream")/test/testdata
    "$work/pod-security" fixtures "$testdata" >"$work/fixtures.jsonl"
    mv "$work/pod-security" "$program"
    mv "$work/fixtures.jsonl" "$fixtures"
    say "built $program"
fi

printf '%s\n' "$home"
