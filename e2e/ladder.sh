#!/usr/bin/env bash
# Runs the rungs of the test ladder that are named as arguments, in order, from fast to real, and ends with one line:
# `N passed, N failed`. A rung that fails does not hide the later ones; the exit status is non-zero if anything failed.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0
began=$SECONDS

# A rung's tests are counted from what it prints: cargo's `test result:` lines and `NAME: N passed, N failed`.
# A rung that prints no count counts as one test: it passed or it did not.
count() { # log status
  local ok bad
  ok=$(grep -oE '(^test result:.* |: )[0-9]+ passed' "$1" | grep -oE '[0-9]+ passed' | awk '{n += $1} END {print n + 0}')
  bad=$(grep -oE '[0-9]+ passed[;,] [0-9]+ failed' "$1" | awk '{n += $3} END {print n + 0}')
  if [ "$ok" = 0 ] && [ "$bad" = 0 ]; then [ "$2" = 0 ] && ok=1 || bad=1; fi
  [ "$2" != 0 ] && [ "$bad" = 0 ] && bad=1
  passed=$((passed + ok)) failed=$((failed + bad))
  printf '    %s passed, %s failed\n' "$ok" "$bad"
}

rung() { # name command...
  local name=$1 status start=$SECONDS
  shift
  printf '\n==> %s\n' "$name"
  "$@" 2>&1 | tee "$logs/$name.log"
  status=${PIPESTATUS[0]}
  printf '<== %s: exit %s after %s s\n' "$name" "$status" "$((SECONDS - start))"
  count "$logs/$name.log" "$status"
}

for name in "$@"; do
  case "$name" in
    format) rung format cargo fmt --all -- --check ;;
    clippy) rung clippy cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    core) rung core cargo test --locked --no-fail-fast -p leaseport --lib --tests ;;
    sight) rung sight bash e2e/sight.sh ;;
    deny) rung deny bash e2e/deny.sh bans licenses sources ;;
    world-unit) rung world-unit cargo test --locked -p leaseport-e2e --lib ;;
    contracts) rung contracts bash contracts/check.sh ;;
    prepare) rung prepare cargo run --locked -q -p leaseport-e2e --bin leaseport-world -- prepare ;;
    chart) rung chart cargo test --locked --no-fail-fast -p leaseport-e2e --test chart ;;
    served) rung served cargo test --locked -p leaseport-e2e --test served -- --nocapture ;;
    publishing) rung publishing cargo test --locked --no-fail-fast -p leaseport-e2e --test publishing ;;
    world) rung world cargo test --locked --no-fail-fast -p leaseport-e2e --test world --test market -- --test-threads=1 --nocapture ;;
    lease) rung lease cargo test --locked -p leaseport-e2e --test lease -- --test-threads=1 --nocapture ;;
    release) rung release cargo test --locked --no-fail-fast -p leaseport-e2e --test release --test pages -- --test-threads=1 --nocapture ;;
    life) rung life cargo test --locked -p leaseport-e2e --test life -- --test-threads=1 --nocapture ;;
    *) echo "ladder: unknown rung $name" >&2; exit 2 ;;
  esac
done

printf '\n%s s\n%s passed, %s failed\n' "$((SECONDS - began))" "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
