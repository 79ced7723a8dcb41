/**
 * What the drivers of both ends say to each other (README, "Between the two ends"): a message is JSON behind its
 * length, and no key is ever in one. Pure.
 */
import { Fault } from "../../src/base/errors.ts";
import type { BlockRef } from "../../src/port/key.ts";

export const version = 1;
/** Keys of a batch, at most. */
export const mostKeys = 1_024;
/** Longest message, bytes. */
export const longest = 64 * 1_024;
/** Bits of a key, at most. */
export const mostBits = 8_388_608;

export type Role = "leader" | "follower";

export interface Hello {
  readonly type: "hello";
  readonly version: number;
  readonly role: Role;
  /** Module IDs: of who says it, and of whom it takes the other for. */
  readonly module: string;
  readonly matching: string;
  /** The newest batch of which it knows; absent if it knows of none. */
  readonly newest?: BlockRef;
}

/** The leader has these keys on its disk: the follower is to take the same. */
export interface Take {
  readonly type: "take";
  /** Reference of the first key's block; the others count on from it. */
  readonly first: BlockRef;
  /** The oldest batch that the leader still has: it never asks for one before it again. */
  readonly oldest: BlockRef;
  /** When the leader took them, ms since 1970 UTC. */
  readonly at: number;
  /** Of the link when they were taken, if the leader knows it, 0 to 0.5. */
  readonly qber?: number;
  readonly keys: readonly KeyName[];
}

export interface KeyName {
  /** The KME's key_ID, a UUID in lower case. */
  readonly id: string;
  readonly bits: number;
}

/** The follower has these keys on its disk, but for the lost ones: what both have is a block from now on. */
export interface Have {
  readonly type: "have";
  readonly first: BlockRef;
  /** Places in the batch, ascending: not to be had here any more, and destroyed at both ends. */
  readonly lost: readonly number[];
  /** Keys that it has room for beside those that it was told of. */
  readonly room: number;
}

/** The follower had that batch and is done with it, or has another under its reference. */
export interface Not {
  readonly type: "not";
  readonly first: BlockRef;
  readonly why: "done" | "other";
}

/** Each second from both, when there is nothing else to say. */
export interface Alive {
  readonly type: "alive";
  /** Of the leader, as in `take`; absent if it has none. */
  readonly oldest?: BlockRef;
  /** Of the follower, as in `have`. */
  readonly room?: number;
}

export type Message = Hello | Take | Have | Not | Alive;

const lengthBytes = 4;

export function encode(message: Message): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const bytes = Buffer.alloc(lengthBytes + body.length);
  bytes.writeUInt32BE(body.length);
  body.copy(bytes, lengthBytes);
  return bytes;
}

/** Puts messages together from pieces as they arrive; holds one message at most. */
export class Decoder {
  #held = Buffer.alloc(0);

  /** @throws Fault `peer.message`: the connection is of no use after that */
  push(chunk: Uint8Array): Message[] {
    this.#held = Buffer.concat([this.#held, chunk]);
    const found: Message[] = [];
    while (this.#held.length >= lengthBytes) {
      const length = this.#held.readUInt32BE();
      if (length > longest) throw wrong("too long");
      if (this.#held.length < lengthBytes + length) break;
      found.push(decode(this.#held.subarray(lengthBytes, lengthBytes + length)));
      this.#held = this.#held.subarray(lengthBytes + length);
    }
    return found;
  }
}

/** @throws Fault `peer.message` */
export function decode(body: Buffer): Message {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw wrong("no JSON");
  }
  const members = object(value);
  switch (members.type) {
    case "hello":
      return {
        type: "hello",
        version: whole(members.version, 1_000),
        role: oneOf(members.role, ["leader", "follower"]),
        module: text(members.module, 128),
        matching: text(members.matching, 128),
        ...(members.newest !== undefined && { newest: reference(members.newest) }),
      };
    case "take":
      return {
        type: "take",
        first: reference(members.first),
        oldest: reference(members.oldest),
        at: whole(members.at, Number.MAX_SAFE_INTEGER),
        ...(members.qber !== undefined && { qber: ratio(members.qber) }),
        keys: keyNames(members.keys),
      };
    case "have":
      return {
        type: "have",
        first: reference(members.first),
        lost: places(members.lost),
        room: whole(members.room, Number.MAX_SAFE_INTEGER),
      };
    case "not":
      return {
        type: "not",
        first: reference(members.first),
        why: oneOf(members.why, ["done", "other"]),
      };
    case "alive":
      return {
        type: "alive",
        ...(members.oldest !== undefined && { oldest: reference(members.oldest) }),
        ...(members.room !== undefined && { room: whole(members.room, Number.MAX_SAFE_INTEGER) }),
      };
    default:
      throw wrong("type");
  }
}

function wrong(what: string): Fault {
  return new Fault("peer.message", `message of the other end's driver: ${what}`);
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("no object");
  return value as Record<string, unknown>;
}

function text(value: unknown, most: number): string {
  if (typeof value !== "string" || value.length > most) throw wrong("text");
  return value;
}

function oneOf<T extends string>(value: unknown, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw wrong("word");
  return found;
}

function whole(value: unknown, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > most) {
    throw wrong("number");
  }
  return value as number;
}

function ratio(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 0.5)) throw wrong("qber");
  return value;
}

function reference(value: unknown): BlockRef {
  const { epoch, number } = object(value);
  if (typeof epoch !== "string" || !/^[0-9a-f]{16}$/.test(epoch)) throw wrong("epoch");
  return { epoch, number: whole(number, Number.MAX_SAFE_INTEGER - mostKeys) };
}

function keyNames(value: unknown): KeyName[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > mostKeys) throw wrong("keys");
  const names = value.map((one) => {
    const { id, bits } = object(one);
    if (typeof id !== "string" || !uuid.test(id)) throw wrong("id");
    return { id, bits: whole(bits, mostBits) };
  });
  if (new Set(names.map(({ id }) => id)).size < names.length) throw wrong("an id twice");
  return names;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function places(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > mostKeys) throw wrong("lost");
  const all = value.map((one) => whole(one, mostKeys - 1));
  if (all.some((one, i) => i > 0 && one <= (all[i - 1] as number))) throw wrong("lost");
  return all;
}

/** Which of two references is later: epochs begin with a time. @returns below 0 if it is `a` that is earlier */
export function compare(a: BlockRef, b: BlockRef): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.number - b.number;
}
