// The storage layout of what holds money, committed in layout/*.txt, one variable a line. `node tools/layout.js write|check`.
// The book and its extension must have the same, because one runs on the other's storage.
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..");

function rendered(name) {
  const layout = JSON.parse(fs.readFileSync(path.join(root, "out", name + ".sol", name + ".json"), "utf8")).storageLayout;
  // Type names end in an AST id that changes with every edit; their labels do not.
  const label = (type) => layout.types[type].label;
  const lines = layout.storage.map((v) => `${v.slot}+${v.offset} ${v.label}: ${label(v.type)}`);
  const structs = Object.values(layout.types)
    .filter((type) => type.members)
    .map((type) => `${type.label} {` + type.members.map((m) => `\n  ${m.slot}+${m.offset} ${m.label}: ${label(m.type)}`).join("") + "\n}")
    .sort();
  return lines.concat(structs).join("\n") + "\n";
}

const mode = process.argv[2];
let bad = 0;
if (rendered("LeaseBook") !== rendered("LeaseBookExtension")) {
  process.stderr.write("LeaseBook and LeaseBookExtension differ in their storage\n");
  bad = 1;
}
for (const name of ["LeaseBook", "StakeVault"]) {
  const file = path.join(root, "layout", name + ".txt");
  const want = rendered(name);
  if (mode === "write") {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, want);
  } else if (mode === "check") {
    if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== want) {
      process.stderr.write(`layout/${name}.txt is not the layout of the sources; if the change is meant, run contracts/check.sh --write\n`);
      bad = 1;
    }
  } else {
    process.stderr.write("usage: node tools/layout.js write|check\n");
    process.exit(2);
  }
}
process.exit(bad);
