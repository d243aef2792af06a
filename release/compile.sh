#!/bin/sh
# Compiles the binary that is released: `release/compile.sh [amd64|arm64 [FOLDER]]`, for this machine's architecture where none is named;
# FOLDER gets the binary. The Dockerfile runs it, and so does who wants to hold a released binary against the sources: the same sources give
# the same bytes in every folder and for every user, as long as toolchain, linker and C library are those of the Dockerfile's base.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
case ${1:-} in
  '') target=$host ;;
  amd64) target=x86_64-unknown-linux-gnu ;;
  arm64) target=aarch64-unknown-linux-gnu ;;
  *) echo "compile.sh: $1: amd64 and arm64 are known" >&2; exit 2 ;;
esac

# Another architecture is linked by Debian's cross compiler, which the crates with C in them find by themselves.
if [ "$target" != "$host" ]; then
  linker=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
  export "$linker=${target%%-*}-linux-gnu-gcc"
fi

# Where crates lie has a hash of the registry in its name, so they have to be there before their folder can be named.
cargo fetch --locked --target "$target"

# Messages of panics name files. Folders of this machine are not to be among them: later prefixes win.
flags="--remap-path-prefix=$PWD=/build"
add() { flags=$(printf '%s\037%s' "$flags" "$1"); }
add "--remap-path-prefix=${CARGO_TARGET_DIR:-$PWD/target}=/build/target"
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  add "--remap-path-prefix=$crates=/crates"
done
unset RUSTFLAGS CFLAGS CXXFLAGS
export CARGO_ENCODED_RUSTFLAGS="$flags" CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0 LC_ALL=C TZ=UTC

# The target is always named: a build without one would hash to other symbols than the same build across architectures.
cargo build --release --locked --target "$target" -p leaseport --bin leaseport

binary=${CARGO_TARGET_DIR:-target}/$target/release/leaseport
if [ -n "${2:-}" ]; then
  mkdir -p "$2"
  cp "$binary" "$2/leaseport"
fi
sha256sum "$binary"
