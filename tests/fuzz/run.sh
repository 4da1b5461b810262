#!/bin/sh
# Runs fuzz targets for a while each, from the corpus that is kept.
#
#   tests/fuzz/run.sh SECONDS [TARGET]...      (none named: each)
#
# What is found is in tests/fuzz/artifacts and ends the run; it becomes a named test. What was compiled
# stays in the user's cache, new inputs in tests/fuzz/corpus; neither is committed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/tests/fuzz}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/postern
fail() { printf 'fuzz: %s\n' "$*" >&2; exit 2; }

[ $# -gt 0 ] || fail "say for how many seconds"
seconds=$1
shift
[ $# -gt 0 ] || set -- $(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' "$here/Cargo.toml")
[ -x "$cache/tools/bin/cargo-fuzz" ] || fail "there is no cargo-fuzz; 'make fuzz' builds it"

cd "$top"
for target in "$@"; do
    mkdir -p "$here/corpus/$target"
    printf 'fuzz: %s for %s s\n' "$target" "$seconds" >&2
    # No sanitizer: the code has no `unsafe`, and so no nightly compiler is needed.
    PATH=$cache/tools/bin:$PATH cargo fuzz run --fuzz-dir "$here" --target-dir "$cache/fuzz" \
        --sanitizer none "$target" "$here/corpus/$target" "tests/corpus/fuzz/$target" \
        tests/corpus/reviews tests/corpus/expressions deploy/examples \
        -- -max_total_time="$seconds" -print_final_stats=1 -verbosity=0
done
