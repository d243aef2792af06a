#!/usr/bin/env bash
# All that is checked of the contracts, from a fresh clone: tools, format, build, sizes, storage layout, ABI files, vectors, tests,
# gas. Exit code 0 only if all of it holds. The last line is `contracts: N passed, N failed`.
#
#   contracts/check.sh           check
#   contracts/check.sh --tools   only install the tools
#   contracts/check.sh --write   write abi/, test/vectors/, snapshots/ and layout/ anew, then check
set -euo pipefail
cd "$(dirname "$0")"

passed=0
failed=0
finish() { echo "contracts: $passed passed, $failed failed"; }
trap finish EXIT

# One named step; its output is shown when it fails.
step() {
  local name=$1
  shift
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "  ok    $name"
    rm -f "$log"
  else
    failed=$((failed + 1))
    echo "  FAIL  $name"
    sed 's/^/        /' "$log" | tail -n 60
    rm -f "$log"
    return 1
  fi
}

tools() {
  # Installed for this very lock file already: nothing to do.
  if [ -f node_modules/.lock ] && cmp -s package-lock.json node_modules/.lock; then return 0; fi
  npm ci --no-audit --no-fund --no-progress --ignore-scripts
  cp package-lock.json node_modules/.lock
}

# The launchers in node_modules/.bin exit 0 when tests fail; the binaries behind them do not.
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-amd64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-x86_64) platform=darwin-amd64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  *)
    echo "no foundry binary for $(uname -s)-$(uname -m); use Linux or macOS on x86-64 or arm64" >&2
    exit 1
    ;;
esac

step "tools from package-lock.json" tools || exit 1
if [ "${1:-}" = "--tools" ]; then exit 0; fi
export PATH="$PWD/node_modules/@foundry-rs/forge-$platform/bin:$PWD/node_modules/@foundry-rs/cast-$platform/bin:$PATH"
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1

sizes() {
  # EIP-170 allows 24,576 bytes. What holds money stays well below it; each contract that a market deploys is named here.
  node -e '
    const limits = {
      LeaseBook: 22000, LeaseBookExtension: 22000, StakeVault: 20000, DisputeCourt: 20000, FeeRouter: 20000,
      Params: 20000, Directory: 20000, Lens: 20000, Slipway: 20000, TestDollar: 20000, Port: 20000,
      PortGovernor: 24576, AccessManager: 24576, TimelockController: 24576,
    };
    let bad = 0;
    for (const file of require("fs").readdirSync("abi")) {
      const name = file.replace(".json", "");
      if (limits[name]) continue;
      console.log(`${name} is deployed (abi/${file}) and has no limit here`);
      bad = 1;
    }
    for (const [name, limit] of Object.entries(limits)) {
      const code = require(`./out/${name}.sol/${name}.json`).deployedBytecode.object;
      const size = (code.length - 2) / 2;
      console.log(`${name} ${size} of ${limit} bytes`);
      if (size >= limit) bad = 1;
    }
    process.exit(bad);'
}

layout() {
  # Both pieces of the book have the same storage, and it is the committed one.
  node tools/layout.js "$1"
}

canary() {
  if forge test --match-contract CanaryTest >/dev/null 2>&1; then
    echo "forge called a failing test a success: is the npm launcher first on PATH?"
    return 1
  fi
}

gas() {
  # Snapshots within 2 %, written to a scratch copy and compared.
  node tools/gas.js "$1"
}

tests() {
  local log
  log=$(mktemp)
  local code=0
  forge test --no-match-contract CanaryTest >"$log" 2>&1 || code=$?
  local p f
  # grep exits 1 where it counts 0; that no test ran is seen in the exit code of forge above.
  p=$(grep -c '^\[PASS' "$log" || true)
  f=$(sed -n '/^Failing tests:/q;p' "$log" | grep -c '^\[FAIL' || true)
  passed=$((passed + p))
  failed=$((failed + f))
  if [ "$code" -ne 0 ]; then
    if [ "$f" -eq 0 ]; then failed=$((failed + 1)); fi
    echo "  FAIL  tests ($p passed, $f failed)"
    grep -A 20 '^Failing tests:' "$log" | sed 's/^/        /' || tail -n 40 "$log"
    rm -f "$log"
    return 1
  fi
  echo "  ok    tests ($p)"
  rm -f "$log"
}

mode=check
if [ "${1:-}" = "--write" ]; then mode=write; fi

code=0
step "format" forge fmt --check || code=1
step "build" forge build || exit 1
if [ "$mode" = write ]; then
  node tools/abi.js write
  node tools/vectors.js write
  node tools/layout.js write
fi
step "sizes" sizes || code=1
step "storage layout is the committed one" layout check || code=1
step "abi/*.json is what the sources compile to" node tools/abi.js check || code=1
step "test/vectors/*.json is what the type strings hash to" node tools/vectors.js check || code=1
step "the vectors are what ethers hashes and recovers" node tools/eip712.js || code=1
step "a failing test is seen as one" canary || code=1
if python3 -c 'import venv, ensurepip' 2>/dev/null; then
  step "slither finds nothing that is not explained" bash tools/slither.sh || code=1
else
  echo "  -     slither: not run, there is no python3 with venv here"
fi
gas before
tests || code=1
if [ "$mode" = write ]; then gas write; fi
step "gas within 2 % of snapshots/gas.json" gas check || code=1
# Has its own line of what it did; a survivor is a failure.
bash tools/mutants.sh changed || code=1
# Prints the figure for people; what fails on a rise is the check above.
node tools/gas.js bar || true
exit "$code"
