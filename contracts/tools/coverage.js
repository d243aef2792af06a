// Holds what `forge coverage` measured (an lcov file, the first argument) against the bars: every branch of what holds money,
// and 95 % of the lines of the rest. Of a `require(condition, Error())` the compiler's IR maps neither path, so of those it is asked
// that the line runs and that a test names the error. Any other branch that the report maps wrongly, and any error that tests
// expect without its name, is listed in coverage.json beside this with the reason; what is listed and not needed is said.
const fs = require("fs");
const path = require("path");

const root = path.join(__dirname, "..");
const MONEY = ["src/LeaseBook.sol", "src/LeaseBookExtension.sol", "src/StakeVault.sol", "src/book/", "src/libraries/", "src/types/"];
const LINES = 0.95;

const exceptions = JSON.parse(fs.readFileSync(path.join(__dirname, "coverage.json"), "utf8"));
const used = new Set();

// file -> { lines: Map(line -> hits), branches: [{ line, hits }] }
const files = new Map();
let current;
for (const row of fs.readFileSync(process.argv[2], "utf8").split("\n")) {
  const [key, ...rest] = row.split(":");
  const value = rest.join(":");
  if (key === "SF") {
    current = { lines: new Map(), branches: [] };
    files.set(path.isAbsolute(value) ? path.relative(root, value) : value, current);
  } else if (key === "DA") {
    const [line, hits] = value.split(",").map(Number);
    current.lines.set(line, Math.max(current.lines.get(line) || 0, hits));
  } else if (key === "BRDA") {
    const [line, block, branch, hits] = value.split(",");
    current.branches.push({ line: Number(line), path: Number(branch), block, hits: hits === "-" ? 0 : Number(hits) });
  }
}

function excused(file, branch) {
  const text = fs.readFileSync(path.join(root, file), "utf8").split("\n")[branch.line - 1].trim();
  const index = exceptions.findIndex((e) => e.file === file && e.code === text && e.path === branch.path);
  if (index >= 0) used.add(index);
  return index >= 0;
}

// All that tests say, to look for names of errors in.
const tests = ["unit", "fuzz", "hostile", "regression"]
  .map((folder) => path.join(root, "test", folder))
  .flatMap((folder) => fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), "utf8")))
  .join("\n");

// The error that the require on this line reverts with, and undefined where the line is none.
function refusal(file, line) {
  const rows = fs.readFileSync(path.join(root, file), "utf8").split("\n");
  if (!/^require\(/.test(rows[line - 1].trim())) return undefined;
  const whole = rows.slice(line - 1, line + 12).join(" ").split(";")[0];
  const names = whole.match(/[A-Z][A-Za-z]+_[A-Z][A-Za-z]+(?=\()/g);
  return names ? names[names.length - 1] : undefined;
}

function refused(file, branch, lines) {
  const error = refusal(file, branch.line);
  return error !== undefined && lines.get(branch.line) > 0 && tests.includes(error);
}

let bad = 0;
const say = (name, hit, all) => console.log(`${name}: ${hit} of ${all} (${((100 * hit) / all).toFixed(1)} %)`);
const money = { hit: 0, all: 0, excused: 0, refused: 0, lines: 0, linesHit: 0 };
const others = { hit: 0, all: 0, branches: 0, branchesHit: 0 };
for (const [file, { lines, branches }] of [...files].sort()) {
  if (!file.startsWith("src/")) continue;
  const hits = [...lines.values()].filter((n) => n > 0).length;
  const taken = branches.filter((b) => b.hits > 0).length;
  if (MONEY.some((prefix) => file === prefix || (prefix.endsWith("/") && file.startsWith(prefix)))) {
    money.lines += lines.size;
    money.linesHit += hits;
    for (const branch of branches) {
      money.all += 1;
      if (branch.hits > 0) money.hit += 1;
      else if (refused(file, branch, lines)) money.refused += 1;
      else if (excused(file, branch)) money.excused += 1;
      else {
        bad = 1;
        console.error(`${file}:${branch.line}: path ${branch.path} is taken by no test`);
      }
    }
  } else {
    others.hit += hits;
    others.all += lines.size;
    others.branches += branches.length;
    others.branchesHit += taken;
    console.log(`  ${file}: lines ${hits}/${lines.size}, branches ${taken}/${branches.length}`);
  }
}
say("branches of LeaseBook and StakeVault that the report maps and tests take", money.hit, money.all);
console.log(`  ${money.refused} more are of requires whose line runs and whose error tests name`);
if (money.excused) console.log(`  ${money.excused} more are listed in coverage.json`);
say("lines of LeaseBook and StakeVault", money.linesHit, money.lines);
say("lines of the rest", others.hit, others.all);
say("branches of the rest", others.branchesHit, others.branches);
if (money.all === 0 || others.all === 0) {
  console.error("the report names no file of src/");
  bad = 1;
}
if (others.hit < LINES * others.all) {
  console.error(`lines of the rest are below ${100 * LINES} %`);
  bad = 1;
}
exceptions.forEach((e, index) => {
  if (!used.has(index)) console.log(`coverage.json: ${e.file}: "${e.code}", path ${e.path}, is covered or gone: take the entry out`);
});
process.exit(bad);
