// Gas of whole transactions. The tests write snapshots/gas.json when they run; the committed numbers are kept aside before
// (`before`) and compared afterwards with 2 % of tolerance (`check`, which puts them back) or replaced (`write`). `bar` prints the
// one number the project promises.
const fs = require("fs");
const path = require("path");

const file = path.join(__dirname, "..", "snapshots", "gas.json");
const kept = path.join(__dirname, "..", "cache", "gas.committed.json");
const TOLERANCE = 0.02;

const mode = process.argv[2];
const read = (from) => JSON.parse(fs.readFileSync(from, "utf8"));
if (mode === "before") {
  fs.mkdirSync(path.dirname(kept), { recursive: true });
  if (fs.existsSync(file)) fs.copyFileSync(file, kept);
  else fs.rmSync(kept, { force: true });
} else if (mode === "write") {
  fs.copyFileSync(file, kept);
} else if (mode === "check") {
  if (!fs.existsSync(kept)) {
    process.stderr.write("snapshots/gas.json is not committed; run contracts/check.sh --write\n");
    process.exit(1);
  }
  const want = read(kept);
  const have = read(file);
  let bad = 0;
  for (const name of new Set([...Object.keys(want), ...Object.keys(have)])) {
    const from = Number(want[name]);
    const to = Number(have[name]);
    if (!(Math.abs(to - from) <= from * TOLERANCE)) {
      process.stderr.write(`${name}: ${have[name]} gas, committed ${want[name]}; if the change is meant, run contracts/check.sh --write\n`);
      bad = 1;
    }
  }
  // Drift within the tolerance leaves the committed file as it is.
  fs.copyFileSync(kept, file);
  process.exit(bad);
} else if (mode === "bar") {
  const have = read(file);
  console.log(`  report of 104 leases: ${have.report_104} gas, ${have.report_104_per_lease} each (bar 1050)`);
} else {
  process.stderr.write("usage: node tools/gas.js before|write|check|bar\n");
  process.exit(2);
}
