#!/bin/sh
# Builds the program that releases and images carry: static, stripped, and the same bytes from
# the same commit in whatever folder, and prints where it is.
#
#   tests/static.sh
#
# It needs nothing of the machine it runs on, so that a container image holds it and nothing else.
# The first build takes minutes; what was compiled stays in the user's cache.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/*}
fail() { printf 'static: %s\n' "$*" >&2; exit 2; }

"$here/prepare.sh" run
target=$(rustc -vV | sed -n 's/^host: //p')
case $target in
*-linux-gnu) ;;
*) fail "a release is built on Linux with the GNU C library, and this is $target" ;;
esac

# STATIC_TARGET_DIR is for seeing whether a build from nothing gives the same bytes.
out=${STATIC_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/postern/static}

# Messages of panics and of C assertions name files. No folder of the builder's is to be in them,
# and the registry's own folder is called after where its crates came from.
# Where it is loaded is written down in a hundredth of the usual space: a megabyte less.
set -- -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
prefixes=''
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    set -- "$@" "--remap-path-prefix=$crates=/crates"
    prefixes="$prefixes -ffile-prefix-map=$crates=/crates"
done
# The checkout's own files are named from its top as it is. Naming it here would have every crate
# compiled anew in every clone.
set -- "$@" "--remap-path-prefix=$out=/target"

# Options in this variable are separated by the one character that no path has.
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037' "$@")
CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%?}
CFLAGS="${CFLAGS:-}$prefixes -ffile-prefix-map=$out=/target"
export CARGO_ENCODED_RUSTFLAGS CFLAGS CARGO_INCREMENTAL=0

# A target that is named keeps build scripts and macros, which must load libraries, out of this.
cd "$top"
cargo build --locked --release --bin postern --target "$target" --target-dir "$out" >&2
printf '%s\n' "$out/$target/release/postern"
