#!/usr/bin/env bash
# Checks our dependencies against deny.toml with a pinned cargo-deny; the arguments are the checks to run. The program is built once
# into the cache, without optimization: half the time to build, and it works for seconds. `advisories` clones a git repository, so it
# is not part of `make test`, which must pass where only package registries are reached.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
cache=${LEASEPORT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/leaseport}/cargo-deny-$version

if [ ! -x "$cache/bin/cargo-deny" ]; then
  echo "installing cargo-deny $version into $cache (about a minute on two free cores)"
  mkdir -p "$cache"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
    cargo install --locked --quiet --debug --root "$cache" --version "$version" cargo-deny 2>"$cache/install.log" || {
    tail -n 30 "$cache/install.log" >&2
    echo "deny: cargo-deny $version could not be installed; the whole log is in $cache/install.log" >&2
    exit 1
  }
fi

"$cache/bin/cargo-deny" --locked check "$@"
