#!/bin/sh
# Builds what the cluster tests run, from source: etcd, kube-apiserver, kubectl, kubelet, and for
# whole clusters kube-controller-manager and kube-scheduler.
#
#   tests/cluster/build.sh [PROGRAM...]      (nothing named: all six)
#
# The first build takes 8 to 12 minutes of two cores. What is built stays in the user's cache and is
# found there from then on. Progress goes to stderr; the folder that holds the programs is the one
# line on stdout.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
say() { printf 'cluster: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }
# shellcheck source=tests/go.sh
. "$here/../go.sh"

kubernetes=$(required "$here/kubernetes/go.mod" k8s.io/kubernetes)
etcd=$(required "$here/etcd/go.mod" go.etcd.io/etcd/server/v3)

# Both versions are in the name, so a new version in a go.mod is built beside the old one.
home=${XDG_CACHE_HOME:-$HOME/.cache}/postern/$kubernetes-etcd-$etcd
bin=$home/bin

all='etcd kube-apiserver kubectl kubelet kube-controller-manager kube-scheduler'
# shellcheck disable=SC2086  # a list of plain names
[ $# -gt 0 ] || set -- $all
for program in "$@"; do
    case " $all " in
    *" $program "*) ;;
    *) fail "'$program' is not one of $all" ;;
    esac
done

missing() {
    for program in "$@"; do [ -x "$bin/$program" ] || printf '%s ' "$program"; done
}

build() { # MODULE-DIRECTORY LINKER-FLAGS OUTPUT PACKAGE...
    module=$1 flags=$2 output=$3
    shift 3
    say "building $* (the first time takes minutes)"
    ask_go "$here/$module" build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" \
        -o "$output" "$@"
}

if [ -n "$(missing "$@")" ]; then
    need_go "$here/kubernetes/go.mod"
    wait_for_turn "$home"
    mkdir -p "$bin"
    # shellcheck disable=SC2046  # a list of plain names
    set -- $(missing "$@")
fi

etcd_too='' packages=''
for program in $(missing "$@"); do
    case $program in
    etcd) etcd_too=yes ;;
    *) packages="$packages k8s.io/kubernetes/cmd/$program" ;;
    esac
done

if [ -n "$etcd_too$packages" ]; then
    work=$(mktemp -d "$home/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM

    if [ -n "$etcd_too" ]; then
        build etcd '-s -w' "$work/etcd" go.etcd.io/etcd/server/v3
    fi
    if [ -n "$packages" ]; then
        # Unless told its version, a Kubernetes program calls itself v0.0.0, and a client that
        # compares versions then misbehaves.
        minor=${kubernetes#v1.}
        minor=${minor%%.*}
        flags='-s -w'
        for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
            flags="$flags -X $package.gitVersion=$kubernetes"
            flags="$flags -X $package.gitMajor=1 -X $package.gitMinor=$minor"
        done
        # shellcheck disable=SC2086  # a list of package names, none with a space
        build kubernetes "$flags" "$work/" $packages
    fi
    # Renamed only when whole: an interrupted build leaves no half program behind.
    for program in "$work"/*; do
        mv "$program" "$bin/"
        say "built $bin/${program##*/}"
    done
fi

printf '%s\n' "$bin"
