#!/usr/bin/env bash
# Compiles the release twice, by different ways in different folders, and compares: once by every stage of the Dockerfile, on a base put
# together here in place of the published one; once by release/compile.sh in a copy of the sources with crates and target folders of its own.
# The step `arm64` builds that image and, where qemu-aarch64-static is, starts its binary. Needs root, 6 GB below target/reproduce, and a Debian
# 12, whose linker and C library are those of the Dockerfile's base.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "reproduce: building images needs root" >&2; exit 1; }

work=$PWD/target/reproduce
base=$work/base
version=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
mkdir -p "$work/tmp" "$work/binary"

for program in debootstrap buildah readelf; do
  command -v "$program" >/dev/null || missing="${missing:-} ${program/readelf/binutils}"
done
if [ -n "${missing:-}" ]; then
  # shellcheck disable=SC2086 # one word a package
  apt-get install -qq --no-install-recommends $missing
fi

buildah() {
  env TMPDIR="$work/tmp" buildah --root="$work/store" --runroot="$work/run" --storage-driver="${STORAGE_DRIVER:-overlay}" "$@"
}

# What the published base is made of: Debian's small system, a C compiler, authorities, and the toolchain by rustup.
toolchain() {
  [ -e "$base/complete" ] && return
  rm -rf "$base"
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,wget bookworm "$base" >"$work/debootstrap.log"
  mkdir -p "$base/usr/local/cargo/bin"
  cp --dereference "$(command -v rustup)" "$base/usr/local/cargo/bin/rustup"
  for name in cargo rustc; do ln -sf rustup "$base/usr/local/cargo/bin/$name"; done
  env -u RUSTUP_TOOLCHAIN RUSTUP_HOME="$base/usr/local/rustup" CARGO_HOME="$base/usr/local/cargo" \
    rustup toolchain install "$version" --profile minimal --no-self-update
  env -u RUSTUP_TOOLCHAIN RUSTUP_HOME="$base/usr/local/rustup" rustup default "$version"
  # This machine's own authorities, for who sits behind a proxy that has one.
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$base"/var/cache/apt/archives/*.deb
  touch "$base/complete"
}

image() { # architecture, root of its libraries
  local began=$SECONDS
  buildah build --isolation=chroot --pull-never --timestamp=0 --platform="linux/$1" \
    --build-arg=BUILDPLATFORM=linux/amd64 --build-arg=TOOLCHAIN=localhost/toolchain:local \
    --build-context="libraries=$2" --iidfile="$work/id-$1" --tag="localhost/leaseport:$1" . >"$work/image-$1.log" 2>&1 \
    || { tail -n 40 "$work/image-$1.log" >&2; echo "reproduce: the image for $1 did not build: $work/image-$1.log" >&2; exit 1; }
  local container mounted
  container=$(buildah from --pull-never "localhost/leaseport:$1")
  mounted=$(buildah mount "$container")
  cp "$mounted/usr/bin/leaseport" "$work/binary/leaseport-$1"
  rm -rf "$work/root-$1"
  cp -a "$mounted" "$work/root-$1"
  buildah rm "$container" >/dev/null
  echo "image for $1 from the Dockerfile in $((SECONDS - began)) s: $(cat "$work/id-$1")"
}

toolchain
if ! buildah images --quiet localhost/toolchain:local >/dev/null 2>&1; then
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$base" / >/dev/null
  buildah config --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" localhost/toolchain:local >/dev/null
fi

second() {
  local elsewhere="$work/a folder elsewhere" began=$SECONDS
  rm -rf "$elsewhere"
  mkdir -p "$elsewhere"
  git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory "$elsewhere"
  env CARGO_HOME="$work/crates" CARGO_TARGET_DIR="$work/target elsewhere" RUSTUP_TOOLCHAIN="$version" \
    "$elsewhere/release/compile.sh" amd64 "$work/binary/elsewhere" >"$work/elsewhere.log" 2>&1 \
    || { tail -n 40 "$work/elsewhere.log" >&2; echo "reproduce: the second compilation failed: $work/elsewhere.log" >&2; exit 1; }
  rm -rf "$work/target elsewhere"
  echo "compiled in another folder in $((SECONDS - began)) s"
}

compare() {
  local one=$work/binary/leaseport-amd64 two=$work/binary/elsewhere/leaseport
  sha256sum "$one" "$two"
  cmp "$one" "$two" || { echo "reproduce: the same sources gave two binaries" >&2; exit 1; }
  if grep --binary-files=text --only-matching --max-count=1 -E "$work|/usr/local/cargo|$HOME/.cargo" "$one"; then
    echo "reproduce: the binary names a folder of the machine that built it" >&2
    exit 1
  fi
  echo "reproduce: the Dockerfile and another folder give the same binary"
}

arm64() {
  local libraries=$work/base-arm64
  if [ ! -e "$libraries/complete" ]; then
    rm -rf "$libraries"
    debootstrap --foreign --arch=arm64 --variant=minbase bookworm "$libraries" >"$work/debootstrap-arm64.log"
    touch "$libraries/complete"
  fi
  image arm64 "$libraries"
  if command -v qemu-aarch64-static >/dev/null; then
    qemu-aarch64-static -L "$work/root-arm64" "$work/binary/leaseport-arm64" --version
  fi
}

for step in "${@:-all}"; do
  case $step in
    all) image amd64 "$base"; second; compare ;;
    image) image amd64 "$base" ;;
    second) second ;;
    compare) compare ;;
    arm64) arm64 ;;
    *) echo "reproduce: $step: the steps are image, second and compare (all of them where none is named), and arm64" >&2; exit 2 ;;
  esac
done
