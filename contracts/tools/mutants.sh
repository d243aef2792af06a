#!/usr/bin/env bash
# Mutation testing with the pinned forge: `tools/mutants.sh list|run|changed [options]`, see tools/mutate.js. Needs node_modules
# (contracts/check.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
# The launchers in node_modules/.bin exit 0 when tests fail; the binaries behind them do not.
PATH="$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin):$PATH"
export PATH
exec node tools/mutate.js "$@"
