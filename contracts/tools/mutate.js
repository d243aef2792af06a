// Mutation testing: whether the tests notice when the contracts are wrong. Every mutant is in one compiled copy of the sources
// (mutants/schemata.js) and is chosen when the tests run; a mutant is killed when a test fails or does not end.
//
//   node tools/mutate.js list                  how many mutants there are, by file
//   node tools/mutate.js run [--sample N]      runs them, or N of them (--seed S chooses which), and writes mutants/report.md
//   node tools/mutate.js changed               those on lines that differ from the main branch, 60 at most; fails on a survivor
//                                              that mutants/equivalent.json does not explain
//
// --only TEXT keeps those whose name holds the text; --jobs N runs so many at once; --vault also mutates StakeVault; --again runs
// only what the last such run (out/mutants/*.jsonl) did not kill, for when tests were added and nothing else changed.
// --branches runs both outcomes of every branch, StakeVault's too, and nothing else: each condition and each part of one taken
// always and never, each requirement left out and refusing everything. Both killed: tests reach both outcomes and notice. Its
// report is mutants/branches.md.
"use strict";
const { execFileSync, spawn } = require("child_process");
const fs = require("fs");
const path = require("path");
const { analyse, read, root } = require("./trees.js");
const { find } = require("./mutants/sites.js");
const { write } = require("./mutants/schemata.js");
const report = require("./mutants/report.js");

const scratch = path.join(root, "out", "mutants");
const MOST_CHANGED = 60;
// A test that a mutant sends round in circles is stopped by its gas long before.
const LONGEST = 300_000;

const BOOK = /^src\/(book|libraries|types)\/|^src\/(LeaseBook|LeaseBookExtension)\.sol$/;
// Tests that the copy leaves out: proofs, the test that must fail, gas (a mutant's choice costs some), random walks (slow), and
// what never meets the book.
const SKIPPED = /^test\/(symbolic|canary|gas|invariant)|^test\/unit\/(Port|Router|Governance|Court|ParamsPolicy)\./;
const VAULT_TESTS = /^test\/unit\/VaultSlash\./;
// What tests deploy by name.
const DEPLOYED = /^src\/(LeaseBook|StakeVault|Params|Lens|local\/TestDollar)\.sol$/;

// The tests, what they deploy, and all that those import.
function needed(trees) {
  const kept = new Set();
  const keep = (file) => {
    if (kept.has(file) || !trees.has(file)) return;
    kept.add(file);
    for (const node of trees.get(file).nodes) if (node.nodeType === "ImportDirective") keep(node.absolutePath);
  };
  for (const file of trees.keys()) if (file.startsWith("test/") || DEPLOYED.test(file)) keep(file);
  return kept;
}

function options(argv) {
  const [mode, ...rest] = argv;
  const given = { mode, sample: 0, seed: 1, only: "", jobs: 2, vault: false, again: false, branches: false };
  for (let i = 0; i < rest.length; ++i) {
    const name = rest[i].replace(/^--/, "");
    if (name === "vault" || name === "again" || name === "branches") given[name] = true;
    else if (name === "only") given.only = rest[++i];
    else if (name === "sample" || name === "seed" || name === "jobs") given[name] = Number(rest[++i]);
    else throw new Error(`mutate.js: unknown option ${rest[i]}`);
  }
  return given;
}

// ---------------------------------------------------------------- which

// All mutants of these files, in the order of the sources, each with a name that outlives edits elsewhere.
function all(found) {
  const mutants = [];
  const names = new Map();
  for (const walk of found.values()) {
    for (const site of [...walk.sites].sort((a, b) => a.start - b.start || b.end - a.end)) {
      for (const { mutant } of site.options) {
        if (mutant.name) continue;
        const name = `${mutant.file.replace(/^src\//, "")} ${mutant.scope}: ${mutant.from} -> ${mutant.to}`;
        const count = (names.get(name) || 0) + 1;
        names.set(name, count);
        mutant.name = count === 1 ? name : `${name} (${count})`;
        mutants.push(mutant);
      }
    }
  }
  return mutants;
}

// mulberry32: the same seed takes the same sample everywhere.
function sampled(mutants, size, seed) {
  if (size === 0 || size >= mutants.length) return mutants;
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const order = mutants.map((mutant, i) => [random(), i]).sort((a, b) => a[0] - b[0]);
  const taken = new Set(order.slice(0, size).map(([, i]) => i));
  return mutants.filter((_, i) => taken.has(i));
}

function git(...words) {
  return execFileSync("git", words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

// What the working tree is compared with: where it left the main branch, or, on that branch, the commit before.
function base() {
  const head = git("rev-parse", "HEAD");
  for (const branch of ["origin/main", "main"]) {
    try {
      const left = git("merge-base", "HEAD", branch);
      if (left !== head) return left;
    } catch {
      // No such branch here.
    }
  }
  return git("rev-parse", "HEAD^");
}

// Lines of src that are new or other than at the base, by file.
function changedLines() {
  const lines = new Map();
  let file = "";
  for (const line of git("diff", "--unified=0", "--relative", base(), "--", "src").split("\n")) {
    if (line.startsWith("+++ ")) file = line.slice(6);
    const hunk = line.match(/^@@ -\S+ \+(\d+)(?:,(\d+))? @@/);
    if (!hunk) continue;
    if (!lines.has(file)) lines.set(file, new Set());
    const count = hunk[2] === undefined ? 1 : Number(hunk[2]);
    for (let i = 0; i < count; ++i) lines.get(file).add(Number(hunk[1]) + i);
  }
  return lines;
}

// ---------------------------------------------------------------- the copy

// Numbers the mutants and writes the copy, again without those the compiler refuses, until it refuses none.
function prepare(parsed, mutants) {
  const { trees, sources, found } = parsed;
  mutants.forEach((mutant, i) => (mutant.number = i + 1));
  for (let round = 0; round < 8; ++round) {
    const copies = write(root, scratch, trees, sources, found);
    const { errors } = analyse(copies);
    if (errors.length === 0) return mutants.filter((mutant) => mutant.number > 0);
    for (const error of errors) refuse(parsed.found, mutants, culprit(copies, error));
  }
  throw new Error("the copy does not compile");
}

// The mutant whose text the compiler points at: the mark that what it points at begins with, or the last one before it.
function culprit(copies, error) {
  const { file, start } = error.sourceLocation || {};
  const copy = copies.get(file);
  if (!copy) throw new Error(error.formattedMessage);
  const whole = copy.slice(start).match(/^\w*\(\/\*m(\d+)\*\//);
  if (whole) return Number(whole[1]);
  const marks = [...copy.slice(0, start).matchAll(/\/\*m(\d+)\*\//g)];
  const last = Number((marks.pop() || ["", "0"])[1]);
  if (last === 0) throw new Error(error.formattedMessage);
  return last;
}

// Leaves out a mutant, and its neighbours in the same place, which have the same type.
function refuse(found, mutants, number) {
  const same = (site) => site.options.some(({ mutant }) => mutant.number === number);
  const sites = [...found.values()].flatMap((walk) => walk.sites).filter(same);
  for (const site of sites) if (site.options[0].mutant.number === number) for (const { mutant } of site.options) mutant.number = -1;
  for (const mutant of mutants) if (mutant.number === number) mutant.number = -1;
}

// The copy's own profile of foundry.toml.
const environment = (extra) => ({ ...process.env, FOUNDRY_PROFILE: "mutants", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1", ...extra });

function build() {
  execFileSync("forge", ["build"], { cwd: root, env: environment({}), stdio: ["ignore", "ignore", "inherit"] });
}

// ---------------------------------------------------------------- the runs

// The tests against one mutant; 0 is the original, of which all failing tests are told.
function test(number, slot, without) {
  return new Promise((resolve, reject) => {
    const env = environment({
      FOUNDRY_BLOCK_PREVRANDAO: "0x" + number.toString(16).padStart(64, "0"),
      FOUNDRY_TEST_FAILURES_FILE: path.join(scratch, `failures-${slot}`),
      FOUNDRY_FUZZ_FAILURE_PERSIST_DIR: path.join(scratch, `fuzz-${slot}`),
    });
    const words = ["test", "--threads", "1"];
    if (number !== 0) words.push("--fail-fast");
    if (without.length > 0) words.push("--no-match-test", `^(${without.join("|")})\\b`);
    const started = Date.now();
    const child = spawn("forge", words, { cwd: root, env });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    const timer = setTimeout(() => child.kill("SIGKILL"), LONGEST);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      const seconds = (Date.now() - started) / 1000;
      const failed = [...output.matchAll(/^\[FAIL[^\n]*\] (\w+)\(/gm)].map((match) => match[1]);
      if (code === 0) resolve({ result: "survived", seconds });
      else if (code === null) resolve({ result: "timed out", seconds });
      else if (failed.length > 0) resolve({ result: "killed", by: failed, seconds });
      else reject(new Error(`mutant ${number}: forge failed without a failing test\n${output.slice(-2000)}`));
    });
  });
}

async function run(mutants, jobs, done) {
  const original = await test(0, 0, []);
  // The copy's code is larger and dearer, which a test that counts gas may notice.
  const without = [...new Set(original.by || [])];
  if (without.length > 5 || original.result === "timed out") throw new Error(`the tests fail without a mutant: ${without.join(", ")}`);
  console.log(`without a mutant the tests take ${original.seconds.toFixed(1)} s; left out: ${without.join(", ") || "none"}`);
  let next = 0;
  const worker = async (slot) => {
    while (next < mutants.length) {
      const mutant = mutants[next++];
      Object.assign(mutant, await test(mutant.number, slot, without));
      done(mutant);
    }
  };
  await Promise.all(Array.from({ length: jobs }, (_, slot) => worker(slot)));
}

// What an earlier run killed, by name.
function killedBefore(file) {
  const results = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  return new Map(results.filter(({ result }) => result === "killed").map(({ name, result, by }) => [name, { result, by }]));
}

// ---------------------------------------------------------------- the command

async function main() {
  const given = options(process.argv.slice(2));
  let lines = null;
  if (given.mode === "changed") {
    try {
      lines = changedLines();
    } catch {
      console.log("mutants: 0 passed, 0 failed; no git history at hand to tell which lines changed");
      return 0;
    }
    if (![...lines.keys()].some((file) => BOOK.test(file) || file === "src/StakeVault.sol")) {
      console.log("mutants: 0 passed, 0 failed; no line of the book, its libraries or the vault changed");
      return 0;
    }
  } else if (given.mode !== "list" && given.mode !== "run") {
    process.stderr.write("usage: node tools/mutate.js list|run|changed [--sample N] [--seed S] [--only TEXT] [--jobs N] [--vault] [--branches]\n");
    return 2;
  }

  const vault = given.vault || given.branches || given.mode === "changed";
  const parsed = read(root, ["src", "test"], (file) => SKIPPED.test(file) || (!vault && VAULT_TESTS.test(file)));
  const { output, errors } = analyse(parsed);
  if (errors.length > 0) throw new Error(errors[0].formattedMessage);
  const trees = new Map(Object.entries(output.sources).map(([file, { ast }]) => [file, ast]));
  const kept = needed(trees);
  const sources = new Map([...parsed].filter(([file]) => kept.has(file)));
  const mutated = [...sources.keys()].filter((file) => BOOK.test(file) || (vault && file === "src/StakeVault.sol"));
  const found = find(trees, sources, mutated, given.branches);
  let mutants = all(found);
  if (given.branches) mutants = mutants.filter(({ kind }) => kind === "condition" || kind === "requirement");
  const total = mutants.length;
  if (given.only) mutants = mutants.filter((mutant) => mutant.name.includes(given.only));
  if (lines) mutants = mutants.filter((mutant) => lines.has(mutant.file) && lines.get(mutant.file).has(mutant.line));
  const wanted = mutants.length;
  const sample = sampled(mutants, lines ? MOST_CHANGED : given.sample, given.seed);
  if (given.mode === "list") {
    for (const mutant of sample) console.log(`${mutant.name}  [${mutant.kind}, line ${mutant.line}]`);
    console.log(`${sample.length} of ${total} mutants`);
    return 0;
  }
  if (mutants.length === 0) {
    console.log("mutants: 0 passed, 0 failed; nothing that can be mutated changed");
    return 0;
  }

  // Of the changed lines few mutants are built; else all are, so that another sample needs no other copy.
  if (lines) mutants = sample;
  const able = new Set(prepare({ trees, sources, found }, mutants));
  const compiled = sample.filter((mutant) => able.has(mutant));
  console.log(`${compiled.length} of ${wanted} mutants, ${sample.length - compiled.length} more do not compile; building ${able.size} at once`);
  build();
  const file = path.join(scratch, given.branches ? "branches.jsonl" : "results.jsonl");
  const before = given.again ? killedBefore(file) : new Map();
  if (!given.again) fs.rmSync(file, { force: true });
  for (const mutant of compiled) if (before.has(mutant.name)) Object.assign(mutant, before.get(mutant.name));
  const rest = compiled.filter((mutant) => !before.has(mutant.name));
  let count = 0;
  await run(rest, given.jobs, (mutant) => {
    count += 1;
    fs.appendFileSync(file, JSON.stringify(mutant) + "\n");
    if (mutant.result !== "killed") console.log(`  ${mutant.result}: ${mutant.name} (line ${mutant.line})`);
    else if (count % 50 === 0) console.log(`  ${count} of ${rest.length}`);
  });
  const explained = report.explained(root);
  const open = compiled.filter((mutant) => mutant.result === "survived" && !explained.has(mutant.name));
  if (given.mode === "run" && !given.only) {
    const refused = sample.length - compiled.length;
    report.write(root, { mutants: compiled, total, refused, sample: given.sample, seed: given.seed, branches: given.branches });
  }
  console.log(`mutants: ${compiled.length - open.length} passed, ${open.length} failed`);
  return given.mode === "changed" && open.length > 0 ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
