/** What SHA-256 of our own buys where keys are short: the same two hashes of a key by node:crypto. */
import { hash, randomBytes } from "node:crypto";
import { KeyIds } from "../../src/node/keys/key-id.ts";
import { QkdKey } from "../../src/port/key.ts";
import { SupplyWriter } from "../../src/wire/kq1/supply.ts";
import { type Benchmark, cpuMeter, type Sample } from "./measure.ts";

const names = ["QKD-A-0001", "QKD-B-0001"] as const;
const ref = { epoch: "00112233aabbccdd", number: 42 };
const facts = { ref, bits: 65_536 };
const bits = 256;
const memory = randomBytes(bits / 8);
const target = Buffer.alloc(1_024);

/** The ID as `KeyIds` makes it. */
function idByCrypto(input: Buffer, offset: number): string {
  input.writeUInt32BE(offset, input.length - 8);
  const digits = hash("sha256", input, "hex");
  const part = (from: number, to: number) => digits.slice(from, to);
  const variant = "89ab"[Number.parseInt(digits[16] as string, 16) & 3];
  return `${part(0, 8)}-${part(8, 12)}-8${part(13, 16)}-${variant}${part(17, 20)}-${part(20, 32)}`;
}

function inputOf(): Buffer {
  const place = Buffer.alloc(24);
  place.write(ref.epoch, 0, 8, "hex");
  place.writeUInt32BE(ref.number, 12);
  place.writeUInt32BE(bits, 20);
  return Buffer.concat([Buffer.from(`qkd-node key id v1\0${names.join("\0")}\0`), place]);
}

/** Calls `each` for so long. @returns calls a second, and their CPU */
function repeated(seconds: number, each: (offset: number) => void): Sample {
  for (let i = 0; i < 50_000; i++) each(i * bits);
  const used = cpuMeter();
  const begun = performance.now();
  let keys = 0;
  while (performance.now() - begun < seconds * 1_000) {
    for (let i = 0; i < 1_000; i++) each((keys + i) * bits);
    keys += 1_000;
  }
  return { value: keys / ((performance.now() - begun) / 1_000), cores: used() };
}

async function byEngine(seconds: number): Promise<Sample> {
  const ids = new KeyIds(...names);
  const writer = new SupplyWriter(...names);
  return repeated(seconds, (offset) => {
    const key = new QkdKey(ids.of(ref, offset, bits), facts, memory, bits);
    writer.write(target, 0, 1, key);
  });
}

async function byCrypto(seconds: number): Promise<Sample> {
  const input = inputOf();
  // Two figures of two different things would be worth nothing.
  if (idByCrypto(input, bits) !== new KeyIds(...names).of(ref, bits, bits)) {
    throw new Error("the two make different IDs");
  }
  const writer = new SupplyWriter(...names, false);
  return repeated(seconds, (offset) => {
    const key = new QkdKey(idByCrypto(input, offset), facts, memory, bits);
    const end = writer.write(target, 0, 1, key);
    target.write(hash("sha256", memory, "hex"), end, 64, "latin1");
  });
}

export const sha256Benchmarks: readonly Benchmark[] = [
  {
    name: "sha-256 32 B",
    about:
      "ID and message of a key of 32 bytes, with SHA-256 of our own; baseline: with node:crypto",
    unit: "keys/s",
    each: "key",
    reach: { ratio: 1.1 },
    subject: byEngine,
    baseline: byCrypto,
  },
];
