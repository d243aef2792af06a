#!/usr/bin/env bash
# Makes what krew installs: `release/krew.sh REPOSITORY FOLDER`. REPOSITORY is where releases are, such as https://github.com/OWNER/NAME. FOLDER
# has the binaries, linux_amd64/leaseport and linux_arm64/leaseport, and gets an archive of each and the manifest leaseport.yaml. The same
# binaries give the same archives.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 2 ] || { echo "usage: release/krew.sh REPOSITORY FOLDER" >&2; exit 2; }
repository=${1%/} folder=$(cd "$2" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
manifest=$(grep -v '^#' release/krew.yaml)
for arch in amd64 arm64; do
  binary=$folder/linux_$arch/leaseport
  [ -f "$binary" ] || { echo "krew: $binary is not there" >&2; exit 1; }
  install -m 0755 "$binary" "$work/kubectl-leaseport"
  install -m 0644 LICENSE "$work/LICENSE"
  archive=$folder/kubectl-leaseport-$version-linux-$arch.tar.gz
  tar --create --directory "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar LICENSE kubectl-leaseport \
    | gzip --no-name --best >"$archive"
  sum=$(sha256sum "$archive" | cut -d ' ' -f 1)
  manifest=${manifest//SUM_${arch^^}/$sum}
done
manifest=${manifest//VERSION/$version}
printf '%s\n' "${manifest//REPOSITORY/$repository}" >"$folder/leaseport.yaml"
