// Writes or compares test/vectors/*.json: EIP-712 hashes of every signed type, computed here from the type strings alone, by an
// encoder of its own. The Solidity tests and the operator's tests read the same files, so three languages must agree.
// `node tools/vectors.js write|check`. Signatures come from `cast wallet sign --no-hash` with a well-known test key.
const fs = require("fs");
const path = require("path");
const { execFileSync } = require("child_process");
const { keccak256 } = require("../node_modules/js-sha3");

const dir = path.join(__dirname, "..", "test", "vectors");
const DOMAIN = { name: "Leaseport", version: "1", chainId: "31337", verifyingContract: "0x1ea5e0000000000000000000000000000000b00c" };
// Account 0 of the mnemonic "test test test test test test test test test test test junk".
const KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SIGNER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

const TYPES = {
  order:
    "Order(address tenant,address agent,address refundTo,uint8 form,uint8 token,uint8 flags,uint16 lots,uint48 startRate,uint48 maxRate,uint32 climb,uint64 deposit,uint32 minDuration,uint32 maxDuration,uint32 minCommit,uint16 earlyFeeBps,uint32 notice,uint32 grace,uint32 startWindow,uint64 minBond,uint64 minSignedPaid,uint32 expiry,bytes32 slaPolicy,bytes32 needsHash,bytes32 manifestHash,bytes32 eligible,bytes32 endpointHash,bytes32 salt)",
  bid: "Bid(bytes32 orderHash,uint32 providerId,uint32 bidEpoch,bytes32 lanesHash,uint48 ratePerHour,uint64 bond,uint64 liability,uint40 deadline)",
  offer:
    "Offer(bytes32 classHash,uint32 providerId,uint32 bidEpoch,uint32 firstLane,uint16 count,uint8 token,uint48 ratePerHour,uint64 bond,uint64 liability,uint32 minDuration,uint32 maxDuration,uint32 notice,bytes32 tenants,uint40 deadline,bytes32 salt)",
  fund: "Fund(bytes32 orderHash,address funder,uint64 amount,uint40 deadline)",
  accept: "Accept(bytes32 orderHash,bytes32 bidHash,uint40 deadline)",
  stop: "Stop(uint96 id,bytes32 termsHash,uint16 reason,uint40 deadline)",
  voucher: "Voucher(uint96 id,bytes32 termsHash,uint32 cum)",
  close: "Close(uint96 id,bytes32 termsHash,uint32 cum,uint40 deadline)",
  amend: "Amend(uint96 id,bytes32 oldTerms,bytes32 newTerms,uint32 cumAt,uint40 deadline)",
  receipt: "Receipt(uint96 id,bytes32 termsHash,uint32 cum,uint40 asOf,bytes32 root)",
};
// Not signed: hashed as keccak256 of its words, without a type hash.
const TERMS =
  "Terms(uint96 id,bytes32 orderHash,address tenant,address agent,address refundTo,uint8 token,uint8 flags,uint8 feeSteps,uint48 ratePerHour,uint64 bond,uint64 liability,uint32 maxDuration,uint32 minCommit,uint16 earlyFeeBps,uint32 notice,uint32 grace,bytes32 slaPolicy,bytes32 needsHash,bytes32 manifestHash)";

const hash = (hex) => "0x" + keccak256(Buffer.from(hex, "hex"));
const ofText = (text) => "0x" + keccak256(Buffer.from(text, "utf8"));
const bare = (hex) => hex.replace(/^0x/, "");
const members = (type) => type.slice(type.indexOf("(") + 1, -1).split(",").map((m) => m.split(" "));

function word(kind, value) {
  if (kind === "address" || kind === "bytes32") return bare(value).toLowerCase().padStart(64, "0");
  if (kind === "string") return bare(ofText(value));
  return BigInt(value).toString(16).padStart(64, "0");
}

const words = (type, message) => members(type).map(([kind, name]) => word(kind, message[name])).join("");
const structHash = (type, message) => hash(bare(ofText(type)) + words(type, message));
const DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const SEPARATOR = structHash(DOMAIN_TYPE, DOMAIN);
const digest = (struct) => hash("1901" + bare(SEPARATOR) + bare(struct));

function sign(hex) {
  const cast = process.env.CAST || "cast";
  return execFileSync(cast, ["wallet", "sign", "--no-hash", hex, "--private-key", KEY], { encoding: "utf8" }).trim();
}

/** A message with a different value in every member, within its type. */
function ordinary(type) {
  const message = {};
  members(type).forEach(([kind, name], i) => {
    if (kind === "bytes32") message[name] = ofText(type.slice(0, type.indexOf("(")) + "." + name);
    else if (kind === "address") message[name] = "0x" + bare(ofText("address." + name)).slice(24);
    else if (kind === "uint8") message[name] = String(i % 3);
    else if (kind === "uint16") message[name] = String(100 + i);
    else if (kind === "uint32") message[name] = String(1000 + 7 * i);
    else if (kind === "uint40") message[name] = String(1790000000 + i);
    else if (kind === "uint48") message[name] = String(2500000 + i);
    else if (kind === "uint64") message[name] = String(10000000 + i);
    else if (kind === "uint96") message[name] = ((7n << 64n) | (11n << 32n) | 3n).toString();
    else throw new Error("no value for " + kind);
  });
  return message;
}

/** Every member at its type's maximum. */
function largest(type) {
  const message = {};
  for (const [kind, name] of members(type)) {
    if (kind === "bytes32") message[name] = "0x" + "ff".repeat(32);
    else if (kind === "address") message[name] = "0x" + "ff".repeat(20);
    else message[name] = ((1n << BigInt(kind.slice(4))) - 1n).toString();
  }
  return message;
}

/** Every member zero. */
function smallest(type) {
  const message = {};
  for (const [kind, name] of members(type)) {
    message[name] = kind === "bytes32" ? "0x" + "00".repeat(32) : kind === "address" ? "0x" + "00".repeat(20) : "0";
  }
  return message;
}

const CASES = { ordinary, largest, smallest };

function signed(type) {
  const cases = {};
  for (const [name, make] of Object.entries(CASES)) {
    const message = make(type);
    const struct = structHash(type, message);
    cases[name] = { message, structHash: struct, digest: digest(struct) };
    if (name === "ordinary") cases[name].signature = sign(cases[name].digest);
  }
  return {
    type,
    typeHash: ofText(type),
    domain: DOMAIN,
    domainSeparator: SEPARATOR,
    signer: SIGNER,
    cases,
  };
}

function terms() {
  const cases = {};
  for (const [name, make] of Object.entries(CASES)) {
    const message = make(TERMS);
    const termsHash = hash(words(TERMS, message));
    // What the book stores: the high 200 bits.
    cases[name] = { message, termsHash, stored: termsHash.slice(0, 52) + "0".repeat(14) };
  }
  return { type: TERMS, cases };
}

/** A bid as BidPosted carries it, with two lots. */
function packedBid() {
  const lanes = [
    { lane: "5", gen: "1" },
    { lane: "4294967295", gen: "16777215" },
  ];
  const fixed = (value, bytes) => BigInt(value).toString(16).padStart(bytes * 2, "0");
  const lanesHex = lanes.map((l) => fixed(l.lane, 4) + fixed(l.gen, 4)).join("");
  const message = { ...ordinary(TYPES.bid), lanesHash: hash(lanesHex) };
  const struct = structHash(TYPES.bid, message);
  const signature = sign(digest(struct));
  const packed =
    bare(message.orderHash) +
    fixed(message.providerId, 4) +
    fixed(message.bidEpoch, 4) +
    fixed(message.ratePerHour, 6) +
    fixed(message.bond, 8) +
    fixed(message.liability, 8) +
    fixed(message.deadline, 5) +
    lanesHex +
    bare(signature);
  return { lanes, lanesHash: message.lanesHash, message, structHash: struct, digest: digest(struct), signer: SIGNER, signature, packed: "0x" + packed };
}

const files = { terms: terms(), packed_bid: packedBid() };
for (const [name, type] of Object.entries(TYPES)) files[name] = signed(type);

const mode = process.argv[2];
let different = 0;
for (const [name, content] of Object.entries(files)) {
  const file = path.join(dir, name + ".json");
  const want = JSON.stringify(content, null, 2) + "\n";
  if (mode === "write") {
    fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(file, want);
  } else if (mode === "check") {
    if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== want) {
      process.stderr.write(`test/vectors/${name}.json is not what tools/vectors.js computes; run contracts/check.sh --write\n`);
      different += 1;
    }
  } else {
    process.stderr.write("usage: node tools/vectors.js write|check\n");
    process.exit(2);
  }
}
process.exit(different === 0 ? 0 : 1);
