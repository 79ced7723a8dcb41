/**
 * Hostile bytes for both bindings of Ck: whatever comes, it is a message that is written as it was read, or a typed
 * error that quotes nothing, and a session goes on or ends.
 */
import { Fault } from "../../src/base/errors.ts";
import { decodeEnvelope, encodeEnvelope } from "../../src/wire/ck/grpc.ts";
import { CkGrpcLine } from "../../src/wire/ck/grpc-line.ts";
import type { CkMessage } from "../../src/wire/ck/messages.ts";
import { Parts } from "../../src/wire/ck/part.ts";
import { CkSession } from "../../src/wire/ck/session.ts";
import { messageTypes, type Side, specOf } from "../../src/wire/ck/table.ts";
import { decodePayload, encodeFrames } from "../../src/wire/ck/tcp.ts";
import { CkTcpLine } from "../../src/wire/ck/tcp-line.ts";
import { ManualClock } from "../clock.ts";
import { type Random, random } from "../random.ts";
import { allSamples } from "../rig/ck-samples.ts";
import { inUse } from "../rig/memory.ts";

export interface CkFuzzResult {
  readonly inputs: number;
  /** Inputs that were messages. */
  readonly read: number;
  /** What was thrown and is no fault of Ck, and what was read and can't be written. Must be empty. */
  readonly wrong: ReadonlySet<string>;
  /** Bytes in use more than after the first tenth of the run. */
  readonly growth: number;
}

/** Text that shows up if an error quotes what came. */
const mark = "QUOTED";

export const pick = <T>(next: Random, list: readonly T[]) =>
  list[Math.floor(next() * list.length)] as T;

export function spoil(next: Random, good: Uint8Array, printable: number): Buffer {
  const length = next() < 0.2 ? next() * good.length : good.length;
  let bytes = Buffer.from(good.subarray(0, length));
  for (let flips = next() * 4; flips >= 1 && bytes.length > 0; flips--) {
    bytes[Math.floor(next() * bytes.length)] = next() < printable ? 32 + next() * 95 : next() * 256;
  }
  if (next() < 0.1) bytes = Buffer.concat([bytes, bytes.subarray(next() * bytes.length)]);
  return bytes;
}

/** A message with texts and numbers that are drawn, some of them beyond their limits. */
export function drawn(next: Random): CkMessage {
  const message: Record<string, unknown> = { ...pick(next, allSamples) };
  for (const [name, value] of Object.entries(message)) {
    if (name === "type" || next() > 0.2) continue;
    if (typeof value === "string")
      message[name] = pick(next, [mark, "", "x".repeat(200), "é\n", "😀"]);
    if (typeof value === "number") message[name] = pick(next, [0, -1, 1.5, 2 ** 40, 1]);
    if (Array.isArray(value)) message[name] = pick<unknown>(next, [[], [mark], [7], value, [{}]]);
    if (next() < 0.1) message[name] = pick<unknown>(next, [null, true, {}, [], mark]);
  }
  return message as CkMessage;
}

/** JSON of a drawn message that no writer of ours would make. */
function odd(next: Random): Buffer {
  const { type: _, ...members } = drawn(next) as CkMessage & Record<string, unknown>;
  const names = ["response", "key_ids", "extension", "number", "session_id", "transit_kma_ids"];
  return Buffer.from(
    JSON.stringify({
      ...members,
      [pick(next, names)]: pick<unknown>(next, [mark, 0, [], {}, null]),
    }),
  );
}

export async function fuzzCk(inputs: number, seed: number): Promise<CkFuzzResult> {
  const next = random(seed);
  const wrong = new Set<string>();
  let read = 0;
  const attempt = (act: () => CkMessage | undefined, again: (message: CkMessage) => unknown) => {
    try {
      const message = act();
      if (message === undefined) return;
      read++;
      const back = JSON.stringify(again(message));
      if (back !== JSON.stringify(message)) wrong.add(`another message: ${message.type}`);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "ck.message") wrong.add(String(error));
      else if (JSON.stringify([error.message, error.facts]).includes(mark)) wrong.add("a quote");
    }
  };
  const joined = (type: CkMessage["type"], payloads: readonly Buffer[]) => {
    const parts = new Parts();
    return payloads.reduce<CkMessage | undefined>(
      (_, payload) => parts.add(1, decodePayload(type, payload), 0),
      undefined,
    );
  };
  const overTcp = (message: CkMessage) =>
    joined(
      message.type,
      encodeFrames(message, 1).map((frame) => frame.subarray(10)),
    );
  const overGrpc = (message: CkMessage) => decodeEnvelope(encodeEnvelope(message, 1))?.message;
  const lines = new Lines(next, wrong);
  let before = 0;
  for (let i = 0; i < inputs; i++) {
    const good = pick(next, allSamples);
    const type = next() < 0.9 ? good.type : pick(next, messageTypes);
    const [frame = Buffer.alloc(0)] = encodeFrames(good, 1);
    const envelope = encodeEnvelope(good, 1);
    if (i % 4 === 0) attempt(() => joined(type, [spoil(next, frame.subarray(10), 0.8)]), overTcp);
    else if (i % 4 === 1) attempt(() => joined(type, [odd(next)]), overTcp);
    else if (i % 4 === 2) {
      attempt(() => decodeEnvelope(spoil(next, envelope, 0.3))?.message, overGrpc);
    } else attempt(() => overTcp(drawn(next)), overGrpc);
    if (i % 8 === 0) await lines.feed(good);
    // A long run without a turn of the event loop is taken for one that hangs.
    if (i % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (i === Math.floor(inputs / 10)) before = inUse();
  }
  return { inputs, read, wrong, growth: inUse() - before };
}

interface Line {
  readonly session: CkSession;
  readonly push: (bytes: Buffer) => void;
  readonly isTcp: boolean;
}

/** Sessions that are fed spoiled messages, one after the other. */
class Lines {
  readonly #next: Random;
  readonly #wrong: Set<string>;
  readonly #clock = new ManualClock();
  #sessions: Line[] = [];

  constructor(next: Random, wrong: Set<string>) {
    this.#next = next;
    this.#wrong = wrong;
  }

  async feed(good: CkMessage): Promise<void> {
    const next = this.#next;
    if (this.#sessions.every(({ session }) => session.isOver)) {
      this.#sessions = (["km", "controller"] as const).flatMap((side) => [
        this.#open(side, true),
        this.#open(side, false),
      ]);
    }
    for (const { session, push, isTcp } of this.#sessions) {
      const id = Math.floor(next() * 4);
      const bytes = isTcp ? Buffer.concat(encodeFrames(good, id)) : encodeEnvelope(good, id);
      try {
        push(next() < 0.7 ? Buffer.from(bytes) : spoil(next, bytes, 0.5));
      } catch (error) {
        this.#wrong.add(`session: ${error}`);
        session.end(new Fault("ck.closed", "a test"));
      }
    }
    if (next() < 0.1) await this.#clock.advance(next() * 5_000);
  }

  #open(side: Side, isTcp: boolean): Line {
    const next = this.#next;
    const io = {
      write: () => {},
      close: () => {},
      now: () => this.#clock.now(),
      since: () => undefined,
    };
    const tcp = new CkTcpLine(io);
    const grpc = new CkGrpcLine(io);
    const session: CkSession = new CkSession({
      side,
      carrier: isTcp ? tcp : grpc,
      clock: this.#clock,
      ours: next() < 0.5,
      handlers: {
        onCommand: ({ message, reply }) => {
          if (next() < 0.2) return;
          const answer = allSamples.find(({ type }) => type === specOf[message.type].answer);
          reply(answer as CkMessage).catch((error) => {
            if (!(error instanceof Fault)) this.#wrong.add(`answer: ${error}`);
          });
        },
        onEnd: () => {},
      },
    });
    for (const message of allSamples) {
      const { from, answer } = specOf[message.type];
      if (from !== side || answer === undefined) continue;
      session.request(message as never).catch((error) => {
        if (!(error instanceof Fault)) this.#wrong.add(`answer: ${error}`);
      });
    }
    const push = (bytes: Buffer) => (isTcp ? tcp : grpc).push(bytes, session);
    return { session, push, isTcp };
  }
}
