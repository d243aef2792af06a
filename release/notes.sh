#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version: `release/notes.sh VERSION`. Fails where the version is not the one that Cargo.toml and the chart's
# appVersion name, or has no section, so that no tag is released that the sources do not agree with. The chart's own version is another matter.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1#v}
for file in Cargo.toml charts/leaseport/Chart.yaml; do
  own=$(sed -n -e 's/^version = "\(.*\)"/\1/p' -e 's/^appVersion: "\(.*\)"/\1/p' "$file" | head -n 1)
  [ "$own" = "$version" ] || { echo "notes: $file says $own, the tag says $version" >&2; exit 1; }
done
said=$(awk -v title="## [$version]" 'index($0, "## [") == 1 { inside = index($0, title) == 1; next } inside' CHANGELOG.md)
[ -n "${said//[[:space:]]/}" ] || { echo "notes: CHANGELOG.md has no section [$version]" >&2; exit 1; }
printf '%s\n' "$said"
