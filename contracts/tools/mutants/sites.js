// Where the contracts can be mutated, and into what: walks the compiler's syntax tree of one source. It decides nothing about
// which mutants run and writes nothing.
//
// A site is a range of the source with one or more mutants: { start, end, form, cast, options: [{ mutant, text }] }, `text` being what
// stands there instead. Forms: "expression", "statement", "yul" and "yul statement", "guard" (a modifier that is left out).
"use strict";

const BOUNDARY = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const NEGATED = { "<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==" };
const ARITHMETIC = { "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&" };
const ASSIGNMENT = { "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=" };
const YUL = { add: "sub", sub: "add", and: "or", or: "and", shl: "shr", shr: "shl", gt: "lt", lt: "gt" };

const type = (node) => (node.typeDescriptions && node.typeDescriptions.typeIdentifier) || "";
const isRational = (node) => type(node).startsWith("t_rational");
const uintOf = (description) => (description && /^uint\d+$/.test(description.typeString) ? description.typeString : "");

class Walk {
  // `enums` and `constants` are of all sources: by node id, an enum value's next one and a constant's declaration. `refusals` also
  // makes a mutant of each requirement that refuses everything.
  constructor(file, source, enums, constants, refusals = false) {
    Object.assign(this, { file, source, enums, constants, refusals, sites: [], headers: [], guarded: [], scope: "" });
  }

  range(node) {
    const [start, length] = node.src.split(":").map(Number);
    return [start, start + length];
  }

  text(node) {
    return this.source.slice(...this.range(node));
  }

  mutant(kind, node, from, to) {
    const [start] = this.range(node);
    const line = this.source.slice(0, start).split("\n").length;
    const plain = (text) => text.replace(/\s+/g, " ").trim();
    return { kind, file: this.file, line, scope: this.scope, from: plain(from), to: plain(to) };
  }

  add(node, form, kind, texts, cast = "") {
    const from = this.text(node);
    let [start, end] = this.range(node);
    if (form.endsWith("statement") && this.source[end] === ";") end += 1;
    const options = texts.map((text) => ({ text, mutant: this.mutant(kind, node, from, text === "" ? "left out" : text) }));
    if (options.length > 0) this.sites.push({ start, end, form, cast, options });
  }

  // ---------------------------------------------------------------- declarations

  unit(tree) {
    for (const node of tree.nodes) if (node.nodeType === "ContractDefinition") this.contract(node);
    else if (node.nodeType === "FunctionDefinition") this.definition(node);
  }

  contract(node) {
    const bases = node.baseContracts.map((base) => base.baseName.name);
    if (bases.includes("ReentrancyGuardTransient")) this.guarded.push(this.range(node)[1] - 1);
    for (const member of node.nodes) {
      if (member.nodeType === "FunctionDefinition" || member.nodeType === "ModifierDefinition") this.definition(member);
    }
  }

  definition(node) {
    this.scope = node.name || node.kind;
    for (const modifier of node.modifiers || []) {
      if (modifier.modifierName.name === "nonReentrant") this.add(modifier, "guard", "guard", [""]);
    }
    if (node.body) this.statement(node.body);
  }

  // ---------------------------------------------------------------- statements

  statement(node, alone = false) {
    if (!node) return;
    switch (node.nodeType) {
      case "Block":
      case "UncheckedBlock":
        for (const inner of node.statements) this.statement(inner, alone && node.statements.length === 1);
        return;
      case "IfStatement":
        this.condition(node.condition);
        this.statement(node.trueBody, true);
        this.statement(node.falseBody, true);
        return;
      case "ForStatement":
        // A loop's head takes no branch; where it begins is what its condition's mutants try.
        if (node.condition) this.expression(node.condition);
        this.statement(node.body);
        return;
      case "WhileStatement":
        this.expression(node.condition);
        this.statement(node.body);
        return;
      case "VariableDeclarationStatement":
        if (node.initialValue) {
          const only = node.declarations.length === 1 && node.declarations[0];
          this.expression(node.initialValue, { cast: only ? uintOf(only.typeDescriptions) : "" });
        }
        return;
      case "Return":
        if (node.expression) this.expression(node.expression);
        return;
      case "EmitStatement":
        this.add(node, "statement", "event", [""]);
        for (const argument of node.eventCall.arguments) this.expression(argument);
        return;
      case "RevertStatement":
        // Alone in a branch it is the same as a branch not taken.
        if (!alone) this.add(node, "statement", "call", [""]);
        return;
      case "TryStatement":
        this.add(node, "statement", "call", [""]);
        for (const argument of node.externalCall.arguments) this.expression(argument);
        for (const clause of node.clauses) this.statement(clause.block);
        return;
      case "InlineAssembly":
        this.assembly(node);
        return;
      case "ExpressionStatement":
        this.act(node, node.expression);
        return;
      default:
        return;
    }
  }

  act(node, expression) {
    if (expression.nodeType === "FunctionCall") {
      const called = expression.expression.name;
      if (called === "require" || called === "assert") {
        this.add(node, "statement", "requirement", this.refusals ? ["", "revert();"] : [""]);
        // What an error says is not mutated.
        this.expression(expression.arguments[0], { decides: true });
        return;
      }
      this.add(node, "statement", "call", [""]);
      this.expression(expression);
    } else if (expression.nodeType === "Assignment") {
      const [left, right] = [expression.leftHandSide, expression.rightHandSide];
      const texts = [];
      // A reference that is set nowhere does not compile.
      const names = left.nodeType === "Identifier" || left.nodeType === "TupleExpression";
      if (!names || !/(storage|calldata)_ptr/.test(type(left))) texts.push("");
      const other = ASSIGNMENT[expression.operator];
      if (other) texts.push(`${this.text(left)} ${other} ${this.text(right)};`);
      this.add(node, "statement", "assignment", texts);
      this.expression(right, { cast: uintOf(left.typeDescriptions) });
    } else if (expression.nodeType === "UnaryOperation") {
      this.add(node, "statement", "assignment", [""]);
    }
  }

  // ---------------------------------------------------------------- expressions

  // What decides a branch: taken always, and never.
  condition(node) {
    this.add(node, "expression", "condition", ["true", "false"]);
    this.expression(node, { decides: true });
  }

  expression(node, { cast = "", decides = false, literals = true } = {}) {
    if (!node) return;
    if (isRational(node)) {
      if (literals && node.nodeType !== "Identifier") this.number(node, cast);
      return;
    }
    switch (node.nodeType) {
      case "BinaryOperation":
        this.binary(node, decides);
        return;
      case "UnaryOperation":
        if (node.operator === "!" || node.operator === "~") this.add(node, "expression", "operator", [this.text(node.subExpression)]);
        this.expression(node.subExpression);
        return;
      case "Conditional":
        this.condition(node.condition);
        this.expression(node.trueExpression);
        this.expression(node.falseExpression);
        return;
      case "Literal":
        if (node.kind === "bool") this.add(node, "expression", "constant", [node.value === "true" ? "false" : "true"]);
        return;
      case "Identifier":
        this.constant(node);
        return;
      case "MemberAccess": {
        const next = this.enums.get(node.referencedDeclaration);
        if (next) this.add(node, "expression", "constant", [`${this.text(node.expression)}.${next}`]);
        else this.expression(node.expression);
        return;
      }
      case "FunctionCall":
        this.call(node);
        return;
      case "FunctionCallOptions":
        this.expression(node.expression);
        return;
      case "IndexAccess":
        this.expression(node.baseExpression);
        this.expression(node.indexExpression);
        return;
      case "IndexRangeAccess":
        this.expression(node.startExpression);
        this.expression(node.endExpression);
        return;
      case "TupleExpression":
        for (const part of node.components) this.expression(part, node.components.length === 1 ? { cast, decides, literals } : {});
        return;
      case "Assignment":
        this.expression(node.rightHandSide, { cast: uintOf(node.leftHandSide.typeDescriptions) });
        return;
      default:
        return;
    }
  }

  call(node) {
    const encodes = node.expression.nodeType === "MemberAccess" && node.expression.expression.name === "abi";
    const literals = node.kind !== "typeConversion" && !encodes;
    // A literal becomes whatever its parameter is; where that is no number it stays.
    const listed = ((node.expression.typeDescriptions || {}).typeString || "").match(/^(?:function|type\(struct) [^(]*\(([^()]*)\)/);
    const parameters = listed ? listed[1].split(",").slice(-node.arguments.length) : [];
    node.arguments.forEach((argument, i) => {
      const cast = uintOf({ typeString: (parameters[i] || "").trim() });
      this.expression(argument, { cast, literals: literals && (cast !== "" || node.kind === "structConstructorCall") });
    });
    if (node.kind === "functionCall" && node.expression.nodeType === "MemberAccess") this.expression(node.expression.expression);
  }

  binary(node, decides) {
    const [left, right] = [node.leftExpression, node.rightExpression];
    const written = (operator) => `${this.text(left)} ${operator} ${this.text(right)}`;
    const operator = node.operator;
    if (operator === "&&" || operator === "||") {
      for (const side of [left, right]) {
        // A chain of the same operator has its own parts.
        const chain = side.nodeType === "BinaryOperation" && side.operator === operator;
        if (!chain) this.add(side, "expression", "condition", [operator === "&&" ? "true" : "false"]);
        this.expression(side, { decides: true });
      }
      return;
    }
    const cast = uintOf(node.commonType);
    if (NEGATED[operator]) {
      const texts = [];
      if (BOUNDARY[operator]) texts.push(written(BOUNDARY[operator]));
      if (!decides) texts.push(written(NEGATED[operator]));
      this.add(node, "expression", "comparison", texts);
      // The neighbours of a bound are what the operator's mutants try already.
      const literals = !BOUNDARY[operator];
      for (const side of [left, right]) this.expression(side, { cast, literals: literals && this.text(side) !== "0" });
      return;
    }
    if (ARITHMETIC[operator]) this.add(node, "expression", "arithmetic", [written(ARITHMETIC[operator])]);
    const shift = operator === "<<" || operator === ">>";
    this.expression(left, { cast, literals: !shift });
    this.expression(right, { cast: shift ? "uint256" : cast });
  }

  number(node, cast) {
    const text = this.text(node);
    const texts = [`(${text}) + 1`];
    if (text !== "0") texts.push(`(${text}) - 1`);
    this.add(node, "expression", "constant", texts, cast);
  }

  // One mutant changes a constant everywhere it is used, but in other constants.
  constant(node) {
    const declared = this.constants.get(node.referencedDeclaration);
    if (!declared) return;
    const [start, end] = this.range(node);
    const options = declared.map(({ mutant, text }) => ({ mutant, text }));
    this.sites.push({ start, end, form: "expression", cast: "", options });
  }

  // ---------------------------------------------------------------- assembly

  assembly(node) {
    const before = this.sites.length;
    this.yul(node.AST);
    const [start] = this.range(node.AST);
    if (this.sites.length > before) this.sites.push({ start: start + 1, end: start + 1, form: "yul helper", options: [] });
  }

  yul(node) {
    if (!node) return;
    switch (node.nodeType) {
      case "YulBlock":
        for (const inner of node.statements) this.yul(inner);
        return;
      case "YulExpressionStatement":
        this.add(node, "yul statement", "call", [""]);
        this.yul(node.expression);
        return;
      case "YulAssignment":
        this.add(node, "yul statement", "assignment", [""]);
        this.yul(node.value);
        return;
      case "YulVariableDeclaration":
        this.yul(node.value);
        return;
      case "YulIf":
        this.add(node.condition, "yul", "condition", ["1", "0"]);
        this.yul(node.condition);
        this.yul(node.body);
        return;
      case "YulFunctionDefinition":
        this.yul(node.body);
        return;
      case "YulFunctionCall": {
        const written = node.arguments.map((argument) => this.text(argument)).join(", ");
        const other = YUL[node.functionName.name];
        // Both of a yul mutant's values are computed, so nothing that acts is written twice.
        if (other && !/call\(/.test(written)) this.add(node, "yul", "arithmetic", [`${other}(${written})`]);
        for (const argument of node.arguments) this.yul(argument);
        return;
      }
      case "YulLiteral":
        if (node.kind === "number") this.add(node, "yul", "constant", [`add(${this.text(node)}, 1)`]);
        return;
      default:
        return;
    }
  }
}

// What every walk needs to know of all trees: each enum value's next one, and the constants of the mutated files.
function declarations(trees, sources, mutated) {
  const enums = new Map();
  const constants = new Map();
  for (const [file, tree] of trees) {
    const walk = new Walk(file, sources.get(file), enums, constants);
    visit(tree, (node, parent) => {
      if (node.nodeType === "EnumDefinition") {
        node.members.forEach((value, i) => enums.set(value.id, node.members[(i + 1) % node.members.length].name));
      } else if (node.nodeType === "VariableDeclaration" && node.constant && mutated.includes(file) && uintOf(node.typeDescriptions)) {
        const text = walk.text(node.value);
        walk.scope = parent.name || "";
        const changes = text === "0" ? ["+ 1"] : ["+ 1", "- 1"];
        constants.set(
          node.id,
          changes.map((change) => ({
            text: `${node.name} ${change}`,
            mutant: walk.mutant("constant", node, `${node.name} = ${text}`, `${node.name} ${change}`),
          })),
        );
      }
    });
  }
  return { enums, constants };
}

function visit(node, see, parent = null) {
  if (Array.isArray(node)) for (const inner of node) visit(inner, see, parent);
  else if (node && typeof node === "object") {
    if (node.nodeType) see(node, parent);
    for (const key of Object.keys(node)) {
      if (key !== "typeDescriptions") visit(node[key], see, node.nodeType ? node : parent);
    }
  }
}

// All sites of the mutated files.
function find(trees, sources, mutated, refusals) {
  const { enums, constants } = declarations(trees, sources, mutated);
  const found = new Map();
  for (const file of mutated) {
    const walk = new Walk(file, sources.get(file), enums, constants, refusals);
    walk.unit(trees.get(file));
    found.set(file, walk);
  }
  return found;
}

module.exports = { find, visit };
