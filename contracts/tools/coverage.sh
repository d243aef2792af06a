#!/usr/bin/env bash
# Measures coverage of the unit, fuzz, hostile and regression tests, and fails below the bars of coverage.js. Invariants, gas and
# lemmas are left out: they would add minutes and no branch. The compiler's optimizer is off, as the report needs it, so figures of gas
# mean nothing here and the tests that hold one are left out too.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH="$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin):$PATH"
# Beside the ordinary build, which stays as it is.
export FOUNDRY_OUT=out/coverage FOUNDRY_CACHE_PATH=out/coverage-cache FOUNDRY_DISABLE_NIGHTLY_WARNING=1
# What a test that was not left out notes of its gas is not the committed figure.
export FOUNDRY_SNAPSHOTS=out/coverage-snapshots
mkdir -p out/coverage
forge coverage --ir-minimum --no-match-path 'test/{invariant,gas,symbolic,canary}/*' \
  --report lcov --report-file out/coverage.lcov >out/coverage.log 2>&1 || { tail -n 60 out/coverage.log; exit 1; }
node tools/coverage.js out/coverage.lcov
