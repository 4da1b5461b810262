#!/bin/sh
# How the scripts here build with Go. They read this file with `.`, and have a `say` and a `fail` of
# their own.

need_go() { # GO.MOD: fails unless what it asks for is here, or can be fetched
    want=$(sed -n 's/^go //p' "$1")
    how="Get it from https://go.dev/dl/, or 'apt-get install golang' where that is new enough"
    command -v go >/dev/null || fail "building needs Go $want or newer, and there is no 'go'. $how"
    have=$(go env GOVERSION)
    minor=$(printf '%s' "$have" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    wanted=$(printf '%s' "$want" | sed -n 's/^1\.\([0-9]*\).*/\1/p')
    [ "${minor:-999}" -ge "$wanted" ] && return
    # From 1.21 on, Go fetches the newer Go that a module asks for, unless it is told not to.
    [ "$minor" -ge 21 ] && [ "$(go env GOTOOLCHAIN)" != local ] && return
    fail "building needs Go $want or newer, and this is $have. $how"
}

ask_go() { # MODULE-DIRECTORY ARGUMENT...: go, as that module and nothing in the environment wants it
    (cd "$1" && shift && GOFLAGS='' GOWORK=off CGO_ENABLED=0 go "$@")
}

required() { # GO.MOD MODULE: the version of it that is asked for there
    # A module that only tools need is marked as indirect, in a block with the others.
    version=$(sed -n "s|^[[:space:]]*$2 \(v[0-9.]*\)\( //.*\)\{0,1\}\$|\1|p" "$1")
    [ -n "$version" ] || fail "$1 does not require $2"
    printf '%s' "$version"
}

wait_for_turn() { # FOLDER: one build at a time in it; who waited finds everything there
    mkdir -p "$1"
    exec 9>"$1/lock"
    flock -n 9 || { say 'another build is under way; waiting for it' && flock 9; }
}
