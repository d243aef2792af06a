// Writes or compares contracts/abi/*.json: what the binary embeds of each contract ({name, abi, bytecode}), taken from
// forge's artefacts. `node tools/abi.js write` after a change of the sources; `node tools/abi.js check` in check.sh.
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..");
const CONTRACTS = [
  "Params",
  "Directory",
  "StakeVault",
  "LeaseBook",
  "Lens",
  "TestDollar",
  "FeeRouter",
  "Port",
  "PortGovernor",
  "Slipway",
  "DisputeCourt",
  "AccessManager",
  "TimelockController",
];

// The book's code is in two pieces at one address: its ABI is that of both.
const EXTENSIONS = { LeaseBook: "LeaseBookExtension" };

function artefact(name) {
  return JSON.parse(fs.readFileSync(path.join(root, "out", name + ".sol", name + ".json"), "utf8"));
}

function rendered(name) {
  const own = artefact(name);
  if (Object.keys(own.bytecode.linkReferences || {}).length > 0) {
    throw new Error(name + " has unlinked libraries; the binary cannot deploy it");
  }
  // One entry of the ABI a line: small diffs.
  const lines = own.abi.map((entry) => JSON.stringify(entry));
  if (EXTENSIONS[name]) {
    for (const entry of artefact(EXTENSIONS[name]).abi) {
      const line = JSON.stringify(entry);
      if (entry.type !== "constructor" && !lines.includes(line)) lines.push(line);
    }
  }
  const abi = lines.map((line) => "    " + line).join(",\n");
  return `{\n  "name": "${name}",\n  "abi": [\n${abi}\n  ],\n  "bytecode": "${own.bytecode.object}"\n}\n`;
}

const mode = process.argv[2];
let different = 0;
for (const name of CONTRACTS) {
  const file = path.join(root, "abi", name + ".json");
  const want = rendered(name);
  if (mode === "write") {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, want);
  } else if (mode === "check") {
    const have = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
    if (have !== want) {
      process.stderr.write(`abi/${name}.json is not what the sources compile to; run contracts/check.sh --write\n`);
      different += 1;
    }
  } else {
    process.stderr.write("usage: node tools/abi.js write|check\n");
    process.exit(2);
  }
}
process.exit(different === 0 ? 0 : 1);
