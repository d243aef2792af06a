#!/usr/bin/env bash
# Static analysis of src with slither: no finding that tools/slither-explained.json does not explain. Installs the pinned tools of
# tools/slither.txt beside the build (out/slither-python) and needs node_modules (contracts/check.sh). Ends with one line:
# `slither: N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

python=out/slither-python
if ! cmp -s tools/slither.txt "$python/.requirements"; then
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement tools/slither.txt
  cp tools/slither.txt "$python/.requirements"
fi
node tools/slither.js write out/slither
rm -f out/slither/findings.json
# Slither's exit code is not 0 where there is any finding, explained or not: what it wrote is judged, and nothing written is a failure.
PATH="$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin):$PWD/$python/bin:$PATH" \
  slither . --ignore-compile --foundry-out-directory out/slither --exclude-dependencies \
  --filter-paths 'node_modules|test/|src/local/' --json out/slither/findings.json >out/slither/log 2>&1 || true
if node tools/slither.js judge out/slither/findings.json; then
  echo "slither: 1 passed, 0 failed"
else
  echo "slither: 0 passed, 1 failed; the whole log is contracts/out/slither/log"
  exit 1
fi
