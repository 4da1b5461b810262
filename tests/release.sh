#!/bin/sh
# Makes what a release consists of: the archive, its list of components, checksums, and the manifest
# of the kubectl plugin. The same commit gives the same bytes.
#
#   tests/release.sh [FOLDER [PROGRAM]]      (target/dist, and what tests/static.sh builds)
#
# Into the archive goes what the program says of itself: its completions, manual pages, definition
# and schemas. RELEASE_URL is where it will be served from. The paths that were made are printed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/*}
fail() { printf 'release: %s\n' "$*" >&2; exit 2; }

# Everything in the archive is as old as the commit.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct) ||
        fail "this is no git checkout: set SOURCE_DATE_EPOCH to the time of the release"
fi
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

out=${1:-$top/target/dist}
program=${2:-$("$here/static.sh")}
mkdir -p "$out"
out=$(CDPATH='' cd -- "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

version=$("$program" --version | cut -d' ' -f2)
target=$(rustc -vV | sed -n 's/^host: //p')
case $target in
x86_64-*) architecture=amd64 ;;
aarch64-*) architecture=arm64 ;;
*) fail "nobody has built a release for $target" ;;
esac
name=postern-v$version-linux-$architecture
stage=$work/$name

pack() { # FOLDER FILE: nothing in it is of this machine or moment
    tar --create --directory "$work" --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
        --owner=0 --group=0 --numeric-owner "$1" | gzip -n -9 >"$work/dist/$2"
}

sums() { # FOLDER: SHA256SUMS of everything in it
    (cd "$1" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | sort | xargs sha256sum) \
        >"$work/sums"
    mv "$work/sums" "$1/SHA256SUMS"
}

mkdir -p "$stage/completions" "$stage/schemas"
cp "$program" "$stage/postern"
cp "$top/LICENSE" "$top/README.md" "$top/CHANGELOG.md" "$stage"
"$program" completion bash >"$stage/completions/postern.bash"
"$program" completion zsh >"$stage/completions/_postern"
"$program" completion fish >"$stage/completions/postern.fish"
"$program" completion powershell >"$stage/completions/postern.ps1"
"$program" completion elvish >"$stage/completions/postern.elv"
"$program" completion kubectl >"$stage/completions/kubectl_complete-postern"
"$program" man "$stage/man/man1"
"$program" crds >"$stage/crds.yaml"
"$program" manifests >"$stage/install.yaml"
for schema in policy cases ledger-record; do
    "$program" schema "$schema" >"$stage/schemas/$schema.json"
done
"$here/components.sh" "$stage/postern.cdx.json"
find "$stage" -type f -exec chmod 644 {} +
chmod 755 "$stage/postern" "$stage/completions/kubectl_complete-postern"
sums "$stage"

mkdir "$work/dist"
pack "$name" "$name.tar.gz"
# As helm wants it: a folder by the chart's name, and the version in the file's.
cp -RL "$top/deploy/chart" "$work/postern"
find "$work/postern" -type f -exec chmod 644 {} +
pack postern "postern-$version.tgz"
cp "$stage/postern.cdx.json" "$work/dist/$name.cdx.json"
cp "$stage/crds.yaml" "$stage/install.yaml" "$work/dist"
sum=$(sha256sum "$work/dist/$name.tar.gz" | cut -d' ' -f1)
sed -e '/^#/d' -e "s|URL/ARCHIVE|${RELEASE_URL:-https://example.com/postern}/$name.tar.gz|" \
    -e "s|VERSION|$version|; s|ARCHITECTURE|$architecture|; s|FOLDER|$name|; s|SHA256|$sum|" \
    "$top/deploy/krew/postern.yaml" >"$work/dist/krew.yaml"
sums "$work/dist"

for file in "$work/dist"/*; do
    mv "$file" "$out/"
    printf '%s\n' "$out/${file##*/}"
done
