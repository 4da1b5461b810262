#!/bin/sh
# Makes the container image postern:VERSION of this checkout, as an archive that `docker load`,
# `podman load`, `ctr images import` and `skopeo copy docker-archive:…` read.
#
#   deploy/image/build.sh [FILE]          (default: target/image/postern-VERSION.tar)
#
# It takes buildah, or podman, and no daemon. The same commit gives the same image.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/*/*}
say() { printf 'image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

cd "$top"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
file=${1:-target/image/postern-$version.tar}
mkdir -p "$(dirname -- "$file")"

authorities=/etc/ssl/certs/ca-certificates.crt
[ -r "$authorities" ] ||
    fail "the image carries the authorities of $authorities; on Debian: apt-get install ca-certificates"
if command -v buildah >/dev/null; then
    builder='buildah' build='bud'
elif command -v podman >/dev/null; then
    builder='podman' build='build'
else
    fail 'making an image takes buildah or podman, and there is neither; on Debian: apt-get install buildah'
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/context"
cp "$(tests/static.sh)" "$work/context/postern"
cp "$authorities" "$work/context/ca-certificates.crt"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
tests/components.sh "$work/context/postern.cdx.json"
chmod 644 "$work"/context/*
chmod 755 "$work/context/postern"

# Storage of its own, which needs no file system that can be stacked, and leaves nothing behind.
# Nothing is run while the image is made, so nothing has to be isolated either.
with() { "$builder" --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
with "$build" --isolation chroot --format docker --timestamp 0 --quiet \
    --build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || :)" \
    --tag "docker.io/library/postern:$version" --file deploy/image/Containerfile \
    "$work/context" >&2
rm -f "$file"
with push --quiet "docker.io/library/postern:$version" \
    "docker-archive:$file:docker.io/library/postern:$version" >&2
say "postern:$version is $file"
printf '%s\n' "$file"
