// The two calls forge makes of a compiler, answered by the npm package `solc`: `--version` and `--standard-json` (input on
// stdin; forge passes all sources, so paths it names beside are ignored). Anything else is an error.
const fs = require("fs");
const path = require("path");
const solc = require(path.join(__dirname, "..", "node_modules", "solc"));

const args = process.argv.slice(2);
if (args.includes("--version")) {
  process.stdout.write("solc, the solidity compiler commandline interface\nVersion: " + solc.version() + "\n");
} else if (args.includes("--standard-json")) {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")) + "\n");
} else {
  process.stderr.write("tools/solc.js answers --version and --standard-json only, not: " + args.join(" ") + "\n");
  process.exit(1);
}
