// The compiler's syntax trees of sources and tests, without code: seconds where a build takes minutes.
"use strict";
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..");

// All sources below `folder` (of `root`), by their path from `base`.
function read(base, folders, skipped = () => false) {
  const sources = new Map();
  const enter = (folder) => {
    for (const entry of fs.readdirSync(path.join(base, folder), { withFileTypes: true })) {
      const file = path.posix.join(folder, entry.name);
      if (skipped(file)) continue;
      if (entry.isDirectory()) enter(file);
      // One character a byte, as the compiler counts.
      else if (file.endsWith(".sol")) sources.set(file, fs.readFileSync(path.join(base, file), "latin1"));
    }
  };
  for (const folder of folders) enter(folder);
  return sources;
}

// The compiler's answer for these sources: trees, and ABIs where they are asked for.
function analyse(sources, outputs = { "*": { "": ["ast"] } }) {
  const solc = require(path.join(root, "node_modules", "solc"));
  const input = {
    language: "Solidity",
    sources: Object.fromEntries([...sources].map(([file, text]) => [file, { content: Buffer.from(text, "latin1").toString() }])),
    settings: { evmVersion: "cancun", remappings: ["@openzeppelin/=node_modules/@openzeppelin/"], outputSelection: outputs },
  };
  const found = (file) => {
    try {
      const contents = fs.readFileSync(path.join(root, file), "utf8");
      input.sources[file] = { content: contents };
      return { contents };
    } catch {
      return { error: `${file} is not there` };
    }
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found }));
  const errors = (output.errors || []).filter((error) => error.severity === "error");
  return { input, output, errors };
}

module.exports = { root, read, analyse };
