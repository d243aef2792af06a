// Around slither: `node tools/slither.js write FOLDER` makes what it reads, without compiling: forge's build-info of src with syntax
// trees and ABIs and no code, which no detector looks at. `node tools/slither.js judge FILE` holds its findings (--json) against
// slither-explained.json: one that nothing there explains is a failure, and so is an explanation that nothing needs.
"use strict";
const fs = require("fs");
const path = require("path");

function write(folder) {
  const { analyse, read, root } = require("./trees.js");
  const { input, output, errors } = analyse(read(root, ["src"]), { "*": { "": ["ast"], "*": ["abi"] } });
  if (errors.length > 0) throw new Error(errors[0].formattedMessage);
  const none = { object: "", sourceMap: "" };
  for (const contracts of Object.values(output.contracts)) {
    for (const contract of Object.values(contracts)) contract.evm = { bytecode: none, deployedBytecode: none };
  }
  const to = path.join(path.resolve(folder), "build-info");
  fs.rmSync(to, { recursive: true, force: true });
  fs.mkdirSync(to, { recursive: true });
  fs.writeFileSync(path.join(to, "src.json"), JSON.stringify({ solcVersion: "0.8.37", input, output }));
}

function judge(file) {
  const answer = JSON.parse(fs.readFileSync(file, "utf8"));
  if (!answer.success) throw new Error(`slither failed: ${answer.error}`);
  const explanations = JSON.parse(fs.readFileSync(path.join(__dirname, "slither-explained.json"), "utf8"));
  const needed = new Set();
  let open = 0;
  const findings = answer.results.detectors || [];
  for (const { check, impact, description } of findings) {
    // Where it is begins the description, after what kind of finding it is.
    const where = description.replace(/^(Reentrancy in|Function) /, "");
    const found = explanations.find((one) => one.detector === check && where.startsWith(one.where));
    if (found) needed.add(found);
    else {
      open += 1;
      console.log(`unexplained: ${check} (${impact}): ${description.trim()}`);
    }
  }
  for (const one of explanations) {
    if (needed.has(one)) continue;
    open += 1;
    console.log(`slither-explained.json explains ${one.detector} at "${one.where}", which slither does not find: remove it`);
  }
  console.log(`slither: ${findings.length} findings, ${findings.length - open < 0 ? 0 : findings.length - open} of them explained`);
  return open;
}

const [mode, argument] = process.argv.slice(2);
if (mode === "write") write(argument);
else if (mode === "judge") process.exit(judge(argument) === 0 ? 0 : 1);
else {
  process.stderr.write("usage: node tools/slither.js write FOLDER | judge FILE\n");
  process.exit(2);
}
