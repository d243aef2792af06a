// The two calls forge makes of a compiler, answered by the npm package `solc`: `--version` and `--standard-json` (input on
// stdin; forge passes all sources, so paths it names beside are ignored). Anything else is an error.
const fs = require("fs");
const path = require("path");

const from = path.join(__dirname, "..", "node_modules", "solc");

// Forge asks for it at every start, and loading the compiler takes most of a second: the answer is kept beside the package.
function version() {
  const kept = path.join(from, ".version");
  if (fs.existsSync(kept)) return fs.readFileSync(kept, "utf8");
  const answer = require(from).version();
  fs.writeFileSync(`${kept}.${process.pid}`, answer);
  fs.renameSync(`${kept}.${process.pid}`, kept);
  return answer;
}

const args = process.argv.slice(2);
if (args.includes("--version")) {
  process.stdout.write("solc, the solidity compiler commandline interface\nVersion: " + version() + "\n");
} else if (args.includes("--standard-json")) {
  process.stdout.write(require(from).compile(fs.readFileSync(0, "utf8")) + "\n");
} else {
  process.stderr.write("tools/solc.js answers --version and --standard-json only, not: " + args.join(" ") + "\n");
  process.exit(1);
}
