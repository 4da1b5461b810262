#!/bin/sh
# Writes which crates are in the program, with versions, licences and checksums: CycloneDX JSON, for
# the release and for the image. SOURCE_DATE_EPOCH is the time that it bears.
#
#   tests/components.sh FILE
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/*}
tools=${XDG_CACHE_HOME:-$HOME/.cache}/postern/tools/bin
file=$1

[ -x "$tools/cargo-cyclonedx" ] || {
    echo "components: there is no cargo-cyclonedx, which lists them; 'make tools' builds it" >&2
    exit 2
}
target=$(rustc -vV | sed -n 's/^host: //p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# It writes beside the manifest that it reads, which is not to be the one of this checkout.
cp "$top/Cargo.toml" "$top/Cargo.lock" "$work"
for folder in src tests benches; do ln -s "$top/$folder" "$work/$folder"; done
(cd "$work" && "$tools/cargo-cyclonedx" cyclonedx --format json --spec-version 1.5 \
    --target "$target" --no-build-deps --override-filename components >/dev/null)
sed "s|file://$work|file:///postern|g" "$work/components.json" >"$file"
