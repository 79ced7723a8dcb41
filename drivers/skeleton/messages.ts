/** The skeleton's dialect (README.md): pure, without I/O. Replace it by your module's. */
import { Fault } from "../../src/base/errors.ts";
import type { BlockFacts, BlockRef } from "../../src/port/key.ts";
import type { ModuleCommand } from "../../src/port/module.ts";

export const type = {
  hello: 0x01,
  credit: 0x02,
  release: 0x03,
  discard: 0x04,
  read: 0x05,
  command: 0x06,
  alive: 0x07,
  identity: 0x81,
  block: 0x82,
  gone: 0x83,
  sample: 0x84,
  done: 0x85,
  moduleAlive: 0x87,
} as const;

/** The longest message that is taken, bytes: a length beyond it is garbage. */
export const maxMessage = 2_097_152;
const headLength = 5;
const refLength = 16;
export const blockHeadLength = refLength + 48;

export function message(messageType: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(headLength + payload.length);
  bytes.writeUInt32LE(payload.length + 1, 0);
  bytes[4] = messageType;
  bytes.set(payload, headLength);
  return bytes;
}

export function encodeRef(ref: BlockRef): Buffer {
  const bytes = Buffer.alloc(refLength);
  bytes.write(ref.epoch, 0, 8, "hex");
  bytes.writeBigUInt64LE(BigInt(ref.number), 8);
  return bytes;
}

/** @throws Fault `qmlp.message` */
export function decodeRef(payload: Buffer): BlockRef {
  need(payload, refLength);
  const number = Number(payload.readBigUInt64LE(8));
  if (!Number.isSafeInteger(number)) throw malformed("block number is 2^53 or more");
  return { epoch: payload.toString("hex", 0, 8), number };
}

export interface BlockHead {
  readonly facts: BlockFacts;
  /** SHA-256 over the block's bytes. */
  readonly hash: Buffer;
}

/** The head of BLOCK; the block's bytes follow it. @throws Fault `qmlp.message` */
export function decodeBlock(payload: Buffer): BlockHead {
  need(payload, blockHeadLength);
  const bits = payload.readUInt32LE(16);
  const qber = payload.readDoubleLE(20);
  if (!(qber >= 0 && qber <= 1)) throw malformed("QBER is not from 0 to 1");
  const facts = { ref: decodeRef(payload), bits, qber, siftedBits: payload.readUInt32LE(28) };
  const hash = Buffer.from(payload.subarray(32, blockHeadLength));
  if (payload.length - blockHeadLength !== Math.ceil(bits / 8)) {
    throw malformed("block is not as long as it says");
  }
  return { facts, hash };
}

const codes: Record<ModuleCommand["name"], number> = {
  start: 1,
  stop: 2,
  self_test: 3,
  zeroize: 4,
  key_rate: 5,
  telemetry_interval: 6,
};

export function encodeCommand(command: ModuleCommand): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = codes[command.name];
  const argument =
    command.name === "key_rate"
      ? command.bitsPerSecond
      : command.name === "telemetry_interval"
        ? command.ms
        : 0;
  bytes.writeDoubleLE(argument, 1);
  return bytes;
}

export function malformed(what: string): Fault {
  return new Fault("qmlp.message", `malformed message: ${what}`);
}

/** @throws Fault `qmlp.message` if the payload is shorter */
export function need(payload: Buffer, length: number): void {
  if (payload.length < length) throw malformed("too short");
}

/** Cuts a stream into messages. Holds one incomplete message at most. */
export class Splitter {
  readonly #onMessage: (messageType: number, payload: Buffer) => void;
  #head = Buffer.alloc(headLength);
  #headFilled = 0;
  #payload: Buffer | undefined;
  #filled = 0;

  /** @param onMessage the payload is the receiver's own memory; it wipes what may be key */
  constructor(onMessage: (messageType: number, payload: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  /** @throws Fault `qmlp.message`; the stream can't be followed any further then */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload === undefined) {
        const taken = chunk.copy(this.#head, this.#headFilled, at);
        at += taken;
        this.#headFilled += taken;
        if (this.#headFilled < headLength) return;
        const length = this.#head.readUInt32LE(0);
        if (length < 1 || length > maxMessage) throw malformed("length out of range");
        this.#payload = Buffer.allocUnsafeSlow(length - 1);
        this.#filled = 0;
      }
      const payload = this.#payload;
      const taken = chunk.copy(payload, this.#filled, at);
      at += taken;
      this.#filled += taken;
      if (this.#filled < payload.length) return;
      this.#payload = undefined;
      this.#headFilled = 0;
      this.#onMessage(this.#head[4] as number, payload);
    }
  }

  wipe(): void {
    this.#payload?.fill(0);
    this.#payload = undefined;
  }
}
