// Holds test/vectors/*.json against an implementation of EIP-712 that is not ours (ethers, pinned in package-lock.json): type strings, type
// hashes, domain separator, struct hashes, digests and signers. Writes nothing. `node tools/eip712.js`
const fs = require("fs");
const path = require("path");
const { AbiCoder, TypedDataEncoder, concat, getAddress, id, keccak256, recoverAddress, solidityPackedKeccak256 } = require("ethers");

const dir = path.join(__dirname, "..", "test", "vectors");
const read = (name) => JSON.parse(fs.readFileSync(path.join(dir, name), "utf8"));
const nameOf = (type) => type.slice(0, type.indexOf("("));
const members = (type) =>
  type.slice(type.indexOf("(") + 1, -1).split(",").map((member) => {
    const [kind, name] = member.split(" ");
    return { type: kind, name };
  });

let compared = 0;
let different = 0;
function same(what, found, expected) {
  compared += 1;
  if (found !== expected) {
    different += 1;
    process.stderr.write(`${what}: ethers has ${found}, the vector ${expected}\n`);
  }
}

const signed = fs.readdirSync(dir).filter((file) => !["terms.json", "packed_bid.json"].includes(file)).sort();
for (const file of signed) {
  const vector = read(file);
  const name = nameOf(vector.type);
  const encoder = new TypedDataEncoder({ [name]: members(vector.type) });
  same(`${file} type`, encoder.encodeType(name), vector.type);
  same(`${file} type hash`, id(encoder.encodeType(name)), vector.typeHash);
  same(`${file} domain`, TypedDataEncoder.hashDomain(vector.domain), vector.domainSeparator);
  for (const [which, { message, structHash, digest, signature }] of Object.entries(vector.cases)) {
    same(`${file} ${which} struct hash`, encoder.hashStruct(name, message), structHash);
    same(`${file} ${which} digest`, TypedDataEncoder.hash(vector.domain, { [name]: members(vector.type) }, message), digest);
    if (signature) same(`${file} ${which} signer`, recoverAddress(digest, signature), getAddress(vector.signer));
  }
}

const terms = read("terms.json");
const kinds = members(terms.type);
for (const [which, { message, termsHash, stored }] of Object.entries(terms.cases)) {
  const encoded = AbiCoder.defaultAbiCoder().encode(kinds.map(({ type }) => type), kinds.map(({ name }) => message[name]));
  same(`terms ${which}`, keccak256(encoded), termsHash);
  same(`terms ${which} stored`, termsHash.slice(0, 52) + "0".repeat(14), stored);
}

const bid = read("packed_bid.json");
const pairs = bid.lanes.flatMap(({ lane, gen }) => [lane, gen]);
same("packed bid lanes", solidityPackedKeccak256(pairs.map(() => "uint32"), pairs), bid.lanesHash);
const { type, domain } = read("bid.json");
same("packed bid struct hash", new TypedDataEncoder({ Bid: members(type) }).hashStruct("Bid", bid.message), bid.structHash);
same("packed bid digest", TypedDataEncoder.hash(domain, { Bid: members(type) }, bid.message), bid.digest);
same("packed bid signer", recoverAddress(bid.digest, bid.signature), getAddress(bid.signer));
const { message } = bid;
const fixed = (value, bytes) => "0x" + BigInt(value).toString(16).padStart(bytes * 2, "0");
const packed = concat([
  message.orderHash,
  fixed(message.providerId, 4),
  fixed(message.bidEpoch, 4),
  fixed(message.ratePerHour, 6),
  fixed(message.bond, 8),
  fixed(message.liability, 8),
  fixed(message.deadline, 5),
  ...pairs.map((value) => fixed(value, 4)),
  bid.signature,
]);
same("packed bid bytes", packed, bid.packed);

console.log(`${compared} values of ${signed.length + 2} files compared with ethers, ${different} differ`);
process.exit(different === 0 && signed.length >= 10 ? 0 : 1);
