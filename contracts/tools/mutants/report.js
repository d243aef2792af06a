// The committed report of a run, and the survivors that are explained.
"use strict";
const fs = require("fs");
const path = require("path");

// Mutants that no test can kill, by name, with the reason: mutants/equivalent.json.
function explained(root) {
  const file = path.join(root, "mutants", "equivalent.json");
  return new Map(fs.existsSync(file) ? Object.entries(JSON.parse(fs.readFileSync(file, "utf8"))) : []);
}

const share = (part, whole) => (whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`);

function table(mutants, key, heading, reasons) {
  const rows = new Map();
  for (const mutant of mutants) {
    const row = rows.get(mutant[key]) || { all: 0, killed: 0, explained: 0 };
    row.all += 1;
    if (mutant.result !== "survived") row.killed += 1;
    else if (reasons.has(mutant.name)) row.explained += 1;
    rows.set(mutant[key], row);
  }
  const lines = [`| ${heading} | mutants | killed | equivalent | open | killed of those that can be |`, "|---|---:|---:|---:|---:|---:|"];
  for (const [name, row] of [...rows].sort()) {
    const able = row.all - row.explained;
    lines.push(`| ${name} | ${row.all} | ${row.killed} | ${row.explained} | ${able - row.killed} | ${share(row.killed, able)} |`);
  }
  return lines.join("\n");
}

function write(root, run) {
  const reasons = explained(root);
  const { mutants } = run;
  const survived = mutants.filter((mutant) => mutant.result === "survived");
  const killed = mutants.length - survived.length;
  const late = mutants.filter((mutant) => mutant.result === "timed out").length;
  const equivalent = survived.filter((mutant) => reasons.has(mutant.name));
  const open = survived.filter((mutant) => !reasons.has(mutant.name));
  const chosen = run.sample === 0 ? "All were run." : `A sample was run, chosen with seed ${run.seed}.`;
  const heading = run.branches
    ? `# Branches

Written by \`make branches\`: both outcomes of every branch, as mutants. What that shows is in
[contracts-proofs.md](../../docs/contracts-proofs.md#coverage).`
    : `# Mutants

Written by \`make mutants\`; what they are, and what a survivor asks for, is in [contracts-proofs.md](../../docs/contracts-proofs.md#mutants).`;
  const text = `${heading}

${run.total} mutants can be made. ${chosen} Of ${mutants.length} that compile (${run.refused} do not), ${killed} were killed${late > 0 ? `, ${late} of them because the tests did not end` : ""}: **${share(killed, mutants.length)}**.
${equivalent.length} of the survivors are equivalent, as told below; without them it is ${share(killed, mutants.length - equivalent.length)}. ${open.length} are open.

${table(mutants, "file", "source", reasons)}

${table(mutants, "kind", "what is changed", reasons)}

## Equivalent

${equivalent.length === 0 ? "None." : equivalent.map((mutant) => `- \`${mutant.name}\`: ${reasons.get(mutant.name)}`).join("\n")}

## Open

${open.length === 0 ? "None." : open.map((mutant) => `- \`${mutant.name}\` (line ${mutant.line})`).join("\n")}
`;
  fs.mkdirSync(path.join(root, "mutants"), { recursive: true });
  fs.writeFileSync(path.join(root, "mutants", run.branches ? "branches.md" : "report.md"), text);
}

module.exports = { explained, write };
