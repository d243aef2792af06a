#!/usr/bin/env bash
# Proves the lemmas of test/symbolic with halmos, and with z3 alone those of rent.py: `tools/halmos.sh [function]`. Installs the pinned tools of tools/requirements.txt beside
# the build (out/python). Ends with one line: `proofs: N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

python=out/python
if ! cmp -s tools/requirements.txt "$python/.requirements"; then
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement tools/requirements.txt
  cp tools/requirements.txt "$python/.requirements"
fi
PATH="$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin):$PWD/$python/bin:$PATH"
# Only the lemmas and what they import; their artefacts need the syntax tree, which the ordinary build leaves out.
export FOUNDRY_SRC=test/symbolic FOUNDRY_TEST=test/symbolic FOUNDRY_OUT=out/symbolic FOUNDRY_CACHE_PATH=out/symbolic-cache
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1

log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
halmos --contract LemmasTest --function "${1:-check_}" --forge-build-out "$FOUNDRY_OUT" --solver z3 --loop 10 \
  --solver-timeout-assertion 300000 --storage-layout generic --no-status >"$log" 2>&1 || code=$?
"$python/bin/python" test/symbolic/rent.py >>"$log" 2>&1 || code=$?
cat "$log"
# grep exits 1 where it counts 0; whether all was proven is told by the exit codes above and by the counts below.
passed=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -c '^\[PASS\]' || true)
failed=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -cE '^\[(FAIL|TIMEOUT|ERROR)\]' || true)
echo "proofs: $passed passed, $failed failed"
[ "$code" = 0 ] && [ "$passed" -gt 0 ]
