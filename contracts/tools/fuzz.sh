#!/usr/bin/env bash
# Runs the invariants and fuzz tests for hours, each rule as long as the three that check.sh runs long, and with another seed each time:
# `FUZZ_RUNS=10000 FUZZ_DEPTH=500 FUZZ_SEED=0x... tools/fuzz.sh [forge's filters]`. A failing sequence is shrunk, printed with the seed, and kept under cache/.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH="$(echo "$PWD"/node_modules/@foundry-rs/forge-*/bin):$PATH"
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1 FOUNDRY_PROFILE=fuzz
export FOUNDRY_INVARIANT_RUNS=${FUZZ_RUNS:-10000} FOUNDRY_INVARIANT_DEPTH=${FUZZ_DEPTH:-500}
export FOUNDRY_FUZZ_RUNS=$((FOUNDRY_INVARIANT_RUNS * 10))
FOUNDRY_FUZZ_SEED=${FUZZ_SEED:-0x$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')}
export FOUNDRY_FUZZ_SEED
echo "seed $FOUNDRY_FUZZ_SEED, $FOUNDRY_INVARIANT_RUNS runs of $FOUNDRY_INVARIANT_DEPTH acts"
exec forge test --match-path 'test/{fuzz,invariant}/*' "$@"
