#!/bin/sh
# What a real node needs besides the kubelet of build.sh: a container runtime and one tiny image.
#
#   tests/cluster/node.sh prepare     installs the Debian packages that are missing (as root)
#   tests/cluster/node.sh check       says on stderr why a node cannot run here; silent if it can
#
# The tests themselves call three more:
#
#   node.sh image FILE                  writes the images as one archive
#   node.sh run FOLDER KUBELET [IP]     starts the runtime and the kubelet configured in FOLDER
#   node.sh network FOLDER ADDRESS...   makes this network namespace a cluster's, and stays
#
# Only the programs of these packages are used. The node starts a containerd of its own in folders
# of its own; a containerd service that the package may have started is neither used nor disturbed.
set -eu

packages='containerd runc containernetworking-plugins busybox-static iproute2'

fail() { printf 'node: %s\n' "$*" >&2; exit 2; }

missing() {
    for package in $packages; do
        state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || :)
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

can_have_one() {
    [ "$(uname -s)" = Linux ] || fail "a node runs on Linux only; this is $(uname -s)"
    [ "$(id -u)" = 0 ] || fail 'a node mounts, makes network namespaces and cgroups: it needs root'
    command -v dpkg-query >/dev/null || fail "a node is made of Debian packages ($packages);" \
        'this system has no dpkg'
}

blob() { # FILE: keeps it under its digest, which is printed
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    mv "$1" "$work/blobs/sha256/$digest"
    printf '%s' "$digest"
}

image() { # USER COMMAND NAME...: adds an image of the one layer, under these names
    user=$1 command=$2
    shift 2
    cat >"$work/json" <<END
{"architecture": "$(dpkg --print-architecture)", "os": "linux",
 "config": {"User": "$user", "Cmd": $command, "Env": ["PATH=/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
END
    size=$(stat -c %s "$work/json")
    config=$(blob "$work/json")
    cat >"$work/json" <<END
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:$config", "size": $size},
 "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
             "digest": "sha256:$layer", "size": $layer_size}]}
END
    size=$(stat -c %s "$work/json")
    manifest=$(blob "$work/json")
    for name in "$@"; do
        [ -z "$manifests" ] || manifests="$manifests,"
        manifests="$manifests
 {\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"size\": $size,
  \"digest\": \"sha256:$manifest\", \"annotations\": {\"io.containerd.image.name\": \"$name\"}}"
    done
}

images() { # FILE
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/blobs/sha256" "$work/tree/bin" "$work/tree/etc" "$work/tree/tmp"
    cp /bin/busybox "$work/tree/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$work/tree/bin/$applet"
    done
    printf 'root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n' >"$work/tree/etc/passwd"
    printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/tree/etc/group"
    chmod 1777 "$work/tree/tmp"
    # Nothing of when and by whom: the same busybox always gives the same digests.
    tar --create --file "$work/layer" --directory "$work/tree" \
        --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
    layer_size=$(stat -c %s "$work/layer")
    layer=$(blob "$work/layer")

    manifests=
    image '' '["sh"]' docker.io/library/busybox:1.36 docker.io/library/busybox:latest \
        registry.example.com/app/server:1.0 registry.example.com/debug/busybox:1.36 \
        registry.example.com/debug/netshoot:1
    image 65532 '["sh"]' registry.example.com/debug/nonroot:1.36
    image '' '["sleep", "infinity"]' registry.example.com/pause:1
    printf '{"schemaVersion": 2, "manifests": [%s]}\n' "$manifests" >"$work/index.json"
    printf '{"imageLayoutVersion": "1.0.0"}\n' >"$work/oci-layout"
    tar --create --file "$1" --directory "$work" blobs index.json oci-layout
}

network() { # FOLDER ADDRESS...: in a network namespace of its own, which lives as long as this
    folder=$1
    shift
    ip link set lo up
    # Nothing leads out of here: no other interface, no default route.
    for address in "$@"; do ip address add "$address/32" dev lo; done
    # Of this namespace alone, like everything under this name.
    echo 1 >/proc/sys/net/ipv4/ip_forward
    : >"$folder/network"
    exec tail -f "$folder/network"
}

run() { # FOLDER KUBELET [IP]: as process 1 of a process namespace, in a mount namespace of its own
    folder=$1 kubelet=$2 address=${3-}
    # Pods whose mounts follow the host's find a host that shares them.
    mount --make-rshared /
    # What the runtime, the network plugins and the kubelet keep under fixed paths is theirs alone
    # and vanishes with this namespace. Outside, an empty folder may remain.
    for path in /run /var/lib/cni /var/lib/kubelet /var/log/containers; do
        mkdir -p "$path"
        mount -t tmpfs tmpfs "$path"
    done
    # The kubelet and the network plugin set these for the whole machine. They find them set
    # already: on a file that only they can see.
    mkdir "$folder/sysctl"
    while read -r name value; do
        setting=/proc/sys/$(printf '%s' "$name" | tr . /)
        [ -e "$setting" ] || continue
        file=$folder/sysctl/$name
        printf '%s\n' "$value" >"$file"
        mount --bind "$file" "$setting"
    done <<END
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
net.ipv4.ip_forward 1
END
    containerd --config "$folder/containerd.toml" --log-level warn >"$folder/containerd.log" 2>&1 &
    runtime=$!
    until ctr --address "$folder/containerd.sock" version >/dev/null 2>&1; do
        kill -0 "$runtime" 2>/dev/null || { cat "$folder/containerd.log"; fail 'containerd ended'; }
        sleep 0.1
    done
    for archive in "$folder"/images*.tar; do
        ctr --address "$folder/containerd.sock" --namespace k8s.io \
            images import --snapshotter native "$archive"
    done
    # When it ends, so does this shell, and with it every process of the namespace.
    "$kubelet" --config "$folder/kubelet.json" --kubeconfig "$folder/kubelet.kubeconfig" \
        --root-dir "$folder/kubelet" --cert-dir "$folder/kubelet-certificates" \
        --hostname-override localhost ${address:+--node-ip "$address"} || fail "the kubelet ended with $?"
}

case ${1-} in
prepare)
    can_have_one
    absent=$(missing)
    [ -n "$absent" ] || exit 0
    printf 'node: installing %s\n' "$absent" >&2
    export DEBIAN_FRONTEND=noninteractive
    install='apt-get install --yes --no-install-recommends'
    # The lists of a fresh machine are empty or old; a second try with new ones settles both.
    # shellcheck disable=SC2086  # a command and a list of plain names
    $install $absent >&2 || { apt-get update >&2 && $install $absent >&2; } ||
        fail "could not install $absent"
    absent=$(missing)
    [ -z "$absent" ] || fail "still missing after the installation: $absent"
    ;;
check)
    can_have_one
    absent=$(missing)
    [ -z "$absent" ] || fail "missing packages: ${absent% }; 'tests/cluster/node.sh prepare'" \
        'installs them'
    ;;
image) images "$2" ;;
run) run "$2" "$3" "${4-}" ;;
network) shift; network "$@" ;;
*) fail "usage: $0 prepare|check|image FILE|run FOLDER KUBELET [IP]|network FOLDER ADDRESS..." ;;
esac
