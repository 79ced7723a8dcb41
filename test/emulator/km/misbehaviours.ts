/** Every way in which `scripts/km` can be told to misbehave, by name; each strikes a number of times. */

import { systemClock } from "../../../src/base/clock.ts";
import {
  answerOneByOne,
  answerWith,
  type Behaviour,
  dropConnection,
  neverAnswer,
} from "./behaviours.ts";
import { headerBytes, maxPayloadBytes, type Reason, reasons } from "./wire.ts";

/** How long `slow` takes, and how long `out-of-order` waits for another key, ms. */
const patience = 200;
/** From one answer to the next of `slow-answers`, ms. */
const pace = 60;

const page = "<h1>403 Forbidden</h1>";
const errorPage = Buffer.from(
  `HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\ncontent-length: ${page.length}\r\n\r\n${page}`,
);

/** Instead of the answer, these bytes of it. */
function instead(times: number, change: (response: Buffer) => Buffer | undefined): Behaviour {
  let left = times;
  return {
    onAnswer(exchange, reason) {
      if (left-- <= 0) return undefined;
      const bytes = change(exchange.response(reason));
      if (bytes !== undefined) exchange.raw(bytes);
      else exchange.drop();
      return "handled";
    },
  };
}

function later(times: number): Behaviour {
  let left = times;
  return {
    onAnswer(exchange, reason) {
      if (left-- <= 0) return undefined;
      setTimeout(() => exchange.answer(reason), patience).unref();
      return "handled";
    },
  };
}

/** Answers in pairs, the newer first. */
function outOfOrder(times: number): Behaviour {
  let left = times;
  let held: (() => void) | undefined;
  return {
    onAnswer(exchange, reason) {
      if (left-- <= 0) return undefined;
      const answer = () => exchange.answer(reason);
      if (held === undefined) {
        held = answer;
        // The last one has no other to wait for.
        setTimeout(answer, patience).unref();
      } else {
        answer();
        held();
        held = undefined;
      }
      return "handled";
    },
  };
}

function patched(offset: number, value: number) {
  return (response: Buffer) => {
    response.writeUInt8(value, offset);
    return response;
  };
}

function withPayload(response: Buffer, payload: Buffer): Buffer {
  const head = Buffer.from(response.subarray(0, headerBytes));
  head.writeUInt16BE(payload.length, 8);
  return Buffer.concat([head, payload]);
}

export const misbehaviours: Readonly<Record<string, (times: number) => Behaviour>> = {
  slow: later,
  "slow-answers": (times) => answerOneByOne(pace, systemClock, times),
  "out-of-order": outOfOrder,
  twice: (times) => instead(times, (response) => Buffer.concat([response, response])),
  never: (times) => neverAnswer("before answering", times),
  "drop-before": (times) => dropConnection("before storing", times),
  "drop-after": (times) => dropConnection("before answering", times),
  "cut-off": (times) => {
    let left = times;
    return {
      onAnswer(exchange, reason) {
        if (left-- <= 0) return undefined;
        exchange.raw(exchange.response(reason).subarray(0, 15));
        // What was written goes out first.
        setImmediate(() => exchange.drop());
        return "handled";
      },
    };
  },
  "wrong-message-id": (times) => instead(times, patched(2, 0x7f)),
  "wrong-version": (times) => instead(times, patched(1, 9)),
  "wrong-command": (times) => instead(times, patched(7, 9)),
  "longest-frame": (times) =>
    instead(times, (response) => withPayload(response, Buffer.alloc(maxPayloadBytes, 0x20))),
  // Over HTTPS, as if a proxy stood before the KM; over TCP it is no message.
  gateway: (times) => instead(times, () => errorPage),
  "bad-json": (times) => instead(times, (response) => withPayload(response, Buffer.from('{"a'))),
  "other-key": (times) =>
    instead(times, (response) => {
      const text = response.toString("latin1", headerBytes);
      const id = "00000000-0000-8000-8000-00000000dead";
      const other = text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, id);
      return withPayload(response, Buffer.from(other, "latin1"));
    }),
  ...Object.fromEntries(
    reasons
      .filter((reason): reason is Exclude<Reason, "success"> => reason !== "success")
      .map((reason) => [`refuse-${reason}`, (times: number) => answerWith(reason, times)]),
  ),
};
