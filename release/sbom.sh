#!/usr/bin/env bash
# Writes the bill of materials of the released binary in CycloneDX: `release/sbom.sh [amd64|arm64] > leaseport.cdx.json`. It holds the packages that
# are linked into the binary and no others. A pinned cargo-cyclonedx says what they are: licences, hashes, addresses; but it takes them from `cargo
# metadata`, which joins in the features of tests and of platforms that are not built for. So what cargo's own resolver does not list for
# this binary is left out, and a package that would then be missing ends it. The same sources give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.9
cache=${LEASEPORT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/leaseport}/cargo-cyclonedx-$version
case ${1:-amd64} in
  amd64) target=x86_64-unknown-linux-gnu ;;
  arm64) target=aarch64-unknown-linux-gnu ;;
  *) echo "sbom: $1: amd64 and arm64 are known" >&2; exit 2 ;;
esac

if ! command -v jq >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -qq --no-install-recommends jq || { apt-get update -qq && apt-get install -qq --no-install-recommends jq; }; } >/dev/null
  else
    echo "sbom: jq is missing: install it (Debian and Ubuntu: apt-get install jq)" >&2
    exit 1
  fi
fi
if [ ! -x "$cache/bin/cargo-cyclonedx" ]; then
  echo "installing cargo-cyclonedx $version into $cache (about a minute on two free cores)" >&2
  mkdir -p "$cache"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo install --locked --quiet --debug --root "$cache" --version "$version" cargo-cyclonedx 2>"$cache/install.log" || {
    tail -n 30 "$cache/install.log" >&2
    echo "sbom: cargo-cyclonedx $version could not be installed; the whole log is in $cache/install.log" >&2
    exit 1
  }
fi

# It writes beside each manifest of the workspace, so it is given a copy of the manifests, with empty sources as the Dockerfile has them.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp --parents Cargo.toml Cargo.lock e2e/Cargo.toml evm/Cargo.toml "$work"
mkdir -p "$work"/src "$work"/e2e/src "$work"/e2e/tests/lease "$work"/evm/src
touch "$work"/{src,e2e/src,evm/src}/lib.rs "$work"/{src,e2e/src,e2e/tests/lease}/main.rs
SOURCE_DATE_EPOCH=0 PATH="$cache/bin:$PATH" cargo cyclonedx --quiet --manifest-path "$work/Cargo.toml" --format json --spec-version 1.5 \
  --describe binaries --no-build-deps --target "$target" >&2

# Macros run in the compiler; what they need is not in the binary.
cargo tree --locked --package leaseport --edges normal,no-proc-macro --target "$target" --prefix none --format '{p}' \
  | awk '$1 != "leaseport" { sub("^v", "", $2); print $1 "@" $2 }' | sort -u >"$work/linked"

jq --rawfile linked "$work/linked" '
  ($linked | split("\n") | map(select(. != ""))) as $linked
  | (.metadata.component["bom-ref"]) as $path
  | .components |= (map(select("\(.name)@\(.version)" as $id | $linked | index($id))) | sort_by(.["bom-ref"]))
  | (.components | map("\(.name)@\(.version)")) as $there
  | if $linked - $there != [] then error("not described: \($linked - $there)") else . end
  | (.components | map(select((.licenses // []) == [] or (.hashes // []) == []) | .name)) as $bare
  | if $bare != [] then error("without licence or hash: \($bare)") else . end
  | (.components | map(.["bom-ref"]) + [$path]) as $refs
  | .dependencies |= (map(select(.ref as $ref | $refs | index($ref)) | if .dependsOn then .dependsOn -= (.dependsOn - $refs) else . end) | sort_by(.ref))
  | .metadata.component.purl |= sub("\\?.*"; "")
  # A folder of this machine is part of our own reference.
  | walk(if . == $path then "leaseport@" + $there_version else . end)
' --arg there_version "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" "$work/leaseport_bin.cdx.json"
