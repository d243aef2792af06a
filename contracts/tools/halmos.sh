#!/usr/bin/env bash
# Proves the lemmas of test/symbolic with halmos, and with z3 alone those of rent.py: `tools/halmos.sh [function]`. Installs the
# pinned tools of tools/requirements.txt beside the build (out/python). With `--reached [function]` it asks instead whether each lemma of
# the state table says something: whether halmos finds an act that succeeds, which is a counterexample to the claim behind it. Ends
# with one line: `proofs: N passed, N failed` or `reached: N passed, N failed`.
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

word=proofs
if [ "${1:-}" = --reached ]; then
  word=reached
  shift
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
# $1 contracts, the rest as halmos has it.
lemmas() {
  local contracts=$1
  shift
  halmos --match-contract "$contracts" --forge-build-out "$FOUNDRY_OUT" --loop 10 --solver-timeout-assertion 300000 \
    --storage-layout generic --no-status "$@" >>"$log" 2>&1
}
# How many tests of the log have this verdict; grep exits 1 where it counts 0.
count() {
  sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -cE "^\[($1)\]" || true
}
if [ "$word" = proofs ]; then
  lemmas '^(LemmasTest|StatesTest)$' --function "${1:-check_}" --solver z3 || code=$?
  "$python/bin/python" test/symbolic/rent.py >>"$log" 2>&1 || code=$?
  cat "$log"
  passed=$(count PASS)
  failed=$(count 'FAIL|TIMEOUT|ERROR')
else
  # Here all must be refuted, so halmos exits 1. A counterexample that it calls potentially invalid is none.
  lemmas '^StatesReachedTest$' --function "${1:-check_}" --solver yices --early-exit || true
  cat "$log"
  passed=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '/^Counterexample: /{ found = 1 } /^\[[A-Z]+\]/{ n += found; found = 0 } END { print n + 0 }')
  failed=$(($(count 'PASS|FAIL|TIMEOUT|ERROR') - passed))
  [ "$failed" = 0 ] || code=1
fi
echo "$word: $passed passed, $failed failed"
[ "$code" = 0 ] && [ "$passed" -gt 0 ]
