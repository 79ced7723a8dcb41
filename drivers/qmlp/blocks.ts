/** CREDIT, KEY and the lists of block references (QMLP §4). */
import type { BlockFacts, BlockRef } from "../../src/port/key.ts";
import { malformed } from "./hello.ts";

export const refLength = 16;
export const keyHeaderLength = 72;
export const keyHeaderWithUuid = 88;

const present = { qber: 1, sifted: 2, time: 4, uuid: 8 } as const;
const two32 = 0x1_0000_0000;

/** A u64 that must stay below 2^53, where JavaScript's numbers end being exact. */
function readU64(body: Buffer, at: number, what: string): number {
  const value = body.readUInt32LE(at + 4) * two32 + body.readUInt32LE(at);
  if (!Number.isSafeInteger(value)) throw malformed(`${what}: number is 2^53 or more`);
  return value;
}

function writeU64(body: Buffer, value: number, at: number): void {
  body.writeUInt32LE(value % two32, at);
  body.writeUInt32LE(Math.floor(value / two32), at + 4);
}

export interface Credit {
  /** Totals since the session began. */
  readonly blocks: number;
  readonly bytes: number;
}

export function encodeCredit(credit: Credit): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(credit.blocks, 0);
  writeU64(body, credit.bytes, 4);
  return body;
}

/** @throws Fault `qmlp.message` */
export function decodeCredit(body: Buffer): Credit {
  if (body.length < 12) throw malformed("CREDIT: too short", { length: body.length, least: 12 });
  return { blocks: body.readUInt32LE(0), bytes: readU64(body, 4, "CREDIT") };
}

function writeRef(body: Buffer, ref: BlockRef, at: number): void {
  body.write(ref.epoch, at, 8, "hex");
  writeU64(body, ref.number, at + 8);
}

function readRef(body: Buffer, at: number, what: string): BlockRef {
  return { epoch: body.toString("hex", at, at + 8), number: readU64(body, at + 8, what) };
}

export function encodeRefs(refs: readonly BlockRef[]): Buffer {
  const body = Buffer.alloc(refs.length * refLength);
  refs.forEach((ref, i) => {
    writeRef(body, ref, i * refLength);
  });
  return body;
}

/** @throws Fault `qmlp.message` */
export function decodeRefs(body: Buffer, what: string): BlockRef[] {
  if (body.length === 0 || body.length % refLength !== 0) {
    throw malformed(`${what}: not a list of references`, { length: body.length });
  }
  const refs: BlockRef[] = [];
  for (let at = 0; at < body.length; at += refLength) refs.push(readRef(body, at, what));
  return refs;
}

/** How a block's bytes are checked; the index is the number in the header. */
export const blockChecks = ["sha-256", "gmac"] as const;
export type BlockCheck = (typeof blockChecks)[number];

export interface KeyHeader {
  readonly facts: BlockFacts;
  readonly check: BlockCheck;
  /** The check over the block's bytes, 32 bytes. */
  readonly hash: Buffer;
  /** Where the block's bytes begin in the body of KEY. */
  readonly length: number;
}

/**
 * The header of KEY alone; the caller appends the first bytes of the block.
 * @param hash 32 bytes, or the 16 of a GMAC
 */
export function encodeKeyHeader(
  facts: BlockFacts,
  hash: Uint8Array,
  check: BlockCheck = "sha-256",
): Buffer {
  const body = Buffer.alloc(facts.uuid === undefined ? keyHeaderLength : keyHeaderWithUuid);
  writeRef(body, facts.ref, 0);
  body.writeUInt32LE(facts.bits, 16);
  let flags = 0;
  if (facts.qber !== undefined) {
    flags |= present.qber;
    body.writeUInt32LE(Math.round(facts.qber * 1e6), 24);
  }
  if (facts.siftedBits !== undefined) {
    flags |= present.sifted;
    body.writeUInt32LE(facts.siftedBits, 28);
  }
  if (facts.generatedAt !== undefined) {
    flags |= present.time;
    writeU64(body, facts.generatedAt, 32);
  }
  body.set(hash, 40);
  if (facts.uuid !== undefined) {
    flags |= present.uuid;
    body.write(facts.uuid.replaceAll("-", ""), 72, 16, "hex");
  }
  body[20] = flags;
  body[21] = blockChecks.indexOf(check);
  return body;
}

function readUuid(body: Buffer, at: number): string {
  const hex = body.toString("hex", at, at + 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** @throws Fault `qmlp.message` */
export function decodeKeyHeader(body: Buffer): KeyHeader {
  if (body.length < keyHeaderLength) {
    throw malformed("KEY: header too short", { length: body.length, least: keyHeaderLength });
  }
  const flags = body[20] as number;
  const hasUuid = (flags & present.uuid) !== 0;
  const length = hasUuid ? keyHeaderWithUuid : keyHeaderLength;
  if (body.length < length) {
    throw malformed("KEY: header too short", { length: body.length, least: length });
  }
  const check = blockChecks[body[21] as number];
  if (check === undefined) throw malformed("KEY: unknown check", { check: body[21] as number });
  const qber = body.readUInt32LE(24) / 1e6;
  if ((flags & present.qber) !== 0 && qber > 1) throw malformed("KEY: QBER above 1");
  const facts: BlockFacts = {
    ref: readRef(body, 0, "KEY"),
    bits: body.readUInt32LE(16),
    ...((flags & present.qber) !== 0 && { qber }),
    ...((flags & present.sifted) !== 0 && { siftedBits: body.readUInt32LE(28) }),
    ...((flags & present.time) !== 0 && { generatedAt: readU64(body, 32, "KEY: time") }),
    ...(hasUuid && { uuid: readUuid(body, 72) }),
  };
  return { facts, check, hash: Buffer.from(body.subarray(40, 72)), length };
}
