#!/usr/bin/env bash
# Tries every alert of deploy/observability on Prometheus' own engine: one file of tests an alert, each firing and not firing. Needs promtool,
# which Debian's package prometheus brings; as root it is installed where it is missing. Ends with `sight: N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../deploy/observability"

if ! command -v promtool >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "sight: installing Debian's package prometheus for promtool"
    # Only the programs are wanted: no service is to start here.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get install -qq --no-install-recommends prometheus >/dev/null || { apt-get update -qq && apt-get install -qq --no-install-recommends prometheus >/dev/null; }
  else
    echo "sight: promtool is missing: install Prometheus (Debian and Ubuntu: apt-get install prometheus)" >&2
    exit 1
  fi
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# What is under spec is an ordinary rule file.
sed -n '/^spec:$/,$ { /^spec:$/d; s/^  //; p }' prometheus-rules.yaml >"$folder/prometheus-rules.yaml"
cp tests/*.yaml "$folder/"
promtool check rules "$folder/prometheus-rules.yaml"

passed=0 failed=0
for alert in $(sed -n 's/^ *- alert: //p' prometheus-rules.yaml); do
  if [ ! -e "$folder/$alert.yaml" ]; then
    echo "$alert: no tests/$alert.yaml"
    failed=$((failed + 1))
  elif (cd "$folder" && promtool test rules "$alert.yaml") >"$folder/said" 2>&1; then
    passed=$((passed + 1))
  else
    echo "$alert:"
    cat "$folder/said"
    failed=$((failed + 1))
  fi
done
echo "sight: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
