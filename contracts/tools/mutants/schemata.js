// The contracts with every mutant in them, chosen when they run: a scratch copy of sources and tests in which a mutant is active
// exactly when the block's prevrandao is its number. That costs a few gas and no compilation: the copy is compiled once, and each
// mutant is a run of its tests. Pure functions of the copy are view, since they look at the block.
"use strict";
const fs = require("fs");
const path = require("path");
const { visit } = require("./sites.js");

const HELPER = " function chosen_(n, mutated, value) -> r { r := value if eq(prevrandao(), n) { r := mutated } } ";

// What stands in for OpenZeppelin's guard, whose functions are private: the same but for one mutant.
const GUARD = `
    modifier guardedUnless_(uint256 mutant) {
        if (block.prevrandao != mutant) {
            uint256 entered;
            assembly ("memory-safe") {
                entered := tload(0x6775617264)
            }
            if (entered != 0) revert ReentrancyGuardReentrantCall();
            assembly ("memory-safe") {
                tstore(0x6775617264, 1)
            }
        }
        _;
        if (block.prevrandao != mutant) {
            assembly ("memory-safe") {
                tstore(0x6775617264, 0)
            }
        }
    }
`;

// A range of the source with what is inside of it: sites are nested or apart, never crossing.
function nested(sites, start, end) {
  const root = { start, end, inner: [] };
  const open = [root];
  const sorted = [...sites].sort((a, b) => a.start - b.start || b.end - a.end || a.order - b.order);
  for (const site of sorted) {
    while (open.length > 1 && site.end > open[open.length - 1].end) open.pop();
    const node = { ...site, inner: [] };
    open[open.length - 1].inner.push(node);
    if (node.end > node.start) open.push(node);
  }
  return root;
}

function written(source, node) {
  let text = "";
  let at = node.start;
  for (const inner of node.inner) {
    text += source.slice(at, inner.start) + written(source, inner);
    at = inner.end;
  }
  text += source.slice(at, node.end);
  return node.form ? form(node, text) : text;
}

// Compiler errors are traced back by these marks.
const mark = (mutant) => `/*m${mutant.number}*/`;
const on = (mutant) => `block.prevrandao == ${mutant.number}`;

function form(node, text) {
  const options = node.options.filter(({ mutant }) => mutant.number > 0);
  switch (node.form) {
    case "replace":
      return node.text;
    case "yul helper":
      return HELPER;
    case "guard":
      return options.length > 0 ? `${mark(options[0].mutant)}guardedUnless_(${options[0].mutant.number})` : "guardedUnless_(0xffffffff)";
    case "expression": {
      if (options.length === 0) return text;
      const choices = options.map((option) => `${mark(option.mutant)}${on(option.mutant)} ? (${option.text}) : `).join("");
      return `${node.cast}(${choices}${mark({ number: 0 })}(${text}))`;
    }
    case "statement": {
      if (options.length === 0) return text;
      const choices = options.map((option) => `${mark(option.mutant)}if (${on(option.mutant)}) { ${option.text} } else `).join("");
      return `{ ${choices}{ ${mark({ number: 0 })}${text} } }`;
    }
    case "yul":
      return options.reduce((value, { mutant, text: mutated }) => `chosen_(${mutant.number}, ${mark(mutant)}${mutated}, ${value})`, text);
    case "yul statement":
      if (options.length === 0) return text;
      return `if iszero(eq(prevrandao(), ${options[0].mutant.number})) { ${mark(options[0].mutant)}${text} }`;
    default:
      throw new Error(`no form ${node.form}`);
  }
}

// `pure` in the heads of functions, but for those of the cheatcodes, which forge answers, and for those that override a library's,
// which stays as it is.
function views(tree, source) {
  const edits = [];
  visit(tree, (node) => {
    if (node.nodeType !== "FunctionDefinition" || node.stateMutability !== "pure" || node.overrides) return;
    const [start, length] = node.src.split(":").map(Number);
    const parameters = node.parameters.src.split(":").map(Number);
    const from = parameters[0] + parameters[1];
    const body = node.body ? Number(node.body.src.split(":")[0]) : start + length;
    const at = source.slice(from, body).search(/\bpure\b/);
    if (at >= 0) edits.push({ start: from + at, end: from + at + 4, form: "replace", text: "view", options: [] });
  });
  return edits;
}

// Writes the copy below `scratch`; answers the written sources by their name there.
function write(root, scratch, trees, sources, found) {
  const copies = new Map();
  for (const [file, source] of sources) {
    const sites = file.endsWith("support/Vm.sol") ? [] : views(trees.get(file), source);
    const walk = found.get(file);
    if (walk) {
      sites.push(...walk.sites);
      for (const at of walk.guarded) sites.push({ start: at, end: at, form: "replace", text: GUARD, options: [] });
    }
    sites.forEach((site, order) => Object.assign(site, { order }));
    const copy = written(source, nested(sites, 0, source.length));
    copies.set(file, copy);
    const to = path.join(scratch, file);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    if (!fs.existsSync(to) || fs.readFileSync(to, "latin1") !== copy) fs.writeFileSync(to, copy, "latin1");
  }
  return copies;
}

module.exports = { write };
