/**
 * Hostile input for everything that reads what a module sent: the deframer, each message's decoder,
 * the assembly of blocks. Nothing but a Fault may come out, and nothing may grow.
 */

import { Assembly } from "../../drivers/qmlp/assembly.ts";
import { decodeCredit, decodeKeyHeader, decodeRefs } from "../../drivers/qmlp/blocks.ts";
import { decodeCommand, decodeResult } from "../../drivers/qmlp/commands.ts";
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import { flagReliable, type, wireBound, writeFrame } from "../../drivers/qmlp/frame.ts";
import { decodeHello, decodeRefuse, decodeWelcome } from "../../drivers/qmlp/hello.ts";
import { decodeEvent, decodeTelemetry } from "../../drivers/qmlp/telemetry.ts";
import { Fault } from "../../src/base/errors.ts";
import { random } from "../random.ts";
import { inUse } from "../rig/memory.ts";

export interface FuzzResult {
  readonly inputs: number;
  /** Refused with a Fault. */
  readonly refused: number;
  /** Anything else thrown, by name. Must be empty. */
  readonly thrown: ReadonlySet<string>;
  /** Bytes of buffers and heap more than after the first tenth of the run. */
  readonly growth: number;
}

const maxBody = 1_024;
const maxBlock = 65_536;

const decoders: readonly ((body: Buffer) => unknown)[] = [
  decodeHello,
  decodeWelcome,
  decodeRefuse,
  decodeCredit,
  decodeKeyHeader,
  (body) => decodeRefs(body, "RELEASED"),
  decodeTelemetry,
  decodeEvent,
  decodeCommand,
  decodeResult,
];

/** Bytes that are mostly of the kind that matter: zeros, ones, small and large numbers. */
function draw(target: Buffer, next: () => number): Buffer {
  const style = next();
  const length = Math.floor(next() ** 3 * target.length);
  for (let i = 0; i < length; i++) {
    const value = next();
    if (style < 0.3) target[i] = value * 256;
    else if (style < 0.6) target[i] = value < 0.5 ? 0 : value * 8;
    else target[i] = value < 0.2 ? 0xff : value < 0.5 ? 0 : value * 256;
  }
  return target.subarray(0, length);
}

export function fuzz(inputs: number, seed: number): FuzzResult {
  const next = random(seed);
  const thrown = new Set<string>();
  let refused = 0;
  const attempt = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      if (error instanceof Fault) refused++;
      else thrown.add(error instanceof Error ? `${error.name}: ${error.message}` : "not an error");
    }
  };
  let assembly = new Assembly(maxBlock);
  const credit = { blocks: 1_000_000, bytes: 1e12 };
  const deframer = new Deframer(maxBody, (frame) => {
    attempt(() => {
      if (frame.type === type.key) assembly.key(frame.body, credit);
      else if (frame.type === type.more) assembly.more(frame.body);
      else decoders[frame.type % decoders.length]?.(frame.body);
    });
  });
  const wire = Buffer.alloc(wireBound(maxBody));
  const body = Buffer.alloc(maxBody);
  const chunk = Buffer.alloc(4_096);
  let before = 0;
  // A stack for each of millions of faults is most of the work, and nobody reads them.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  for (let i = 0; i < inputs; i++) {
    const way = i & 3;
    if (way === 0) {
      attempt(() => deframer.push(draw(chunk, next)));
    } else if (way === 1) {
      const decode = decoders[i % decoders.length] as (input: Buffer) => unknown;
      attempt(() => decode(draw(body, next)));
    } else {
      // A good frame around a bad body, now and then damaged as well.
      const kind = way === 2 ? (next() < 0.5 ? type.key : type.more) : Math.floor(next() * 64);
      const end = writeFrame(kind, flagReliable, i & 0xffff, 0, draw(body, next), wire, 0);
      if (next() < 0.2) wire[Math.floor(next() * end)] = next() * 256;
      attempt(() => deframer.push(wire.subarray(0, end)));
    }
    // A session that was refused is over, and the next has an assembly of its own.
    if (i % 64 === 0) {
      assembly.wipe();
      assembly = new Assembly(maxBlock);
    }
    if (i === Math.floor(inputs / 10)) {
      globalThis.gc?.();
      before = inUse();
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  globalThis.gc?.();
  return { inputs, refused, thrown, growth: inUse() - before };
}
