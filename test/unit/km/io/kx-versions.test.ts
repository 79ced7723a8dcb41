/** Both versions of the link between key managers, over real TLS. */
import test from "ava";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import type { Relay } from "../../../../src/wire/kx/relay-messages.ts";
import { eventually } from "../../../eventually.ts";
import { withKx } from "../../../rig/kx-bench.ts";

type Sessions = { readonly sessions: readonly unknown[] };
const paired = (a: Sessions, b: Sessions, n: number) =>
  eventually("sessions at both ends", () => a.sessions.length === n && b.sessions.length === n);
const match = (number: number): KxMessage => {
  return { type: "match", number, digest: Buffer.alloc(32, number) };
};

const longRelay: Relay = {
  type: "relay",
  relay: Buffer.alloc(16, 1),
  pad: Buffer.alloc(16, 2),
  scheme: "case-2",
  step: "hop",
  path: ["km-a", "km-b", "km-c"],
  at: 0,
  time: 3,
  length: 1_048_576,
  body: Buffer.from(Array.from({ length: 1_048_576 }, (_, i) => i % 251)),
  tag: Buffer.alloc(16, 4),
};

test("a relay that is longer than a frame comes whole, in its place among others", async (t) => {
  await withKx(async ({ dialer, b }) => {
    const { end: a, link } = dialer();
    link.start();
    await paired(a, b, 1);
    t.is(a.session.version, 2);
    t.is(b.session.version, 2);
    for (const message of [match(1), longRelay, match(2), longRelay]) a.session.send(message);
    await eventually("messages", () => b.messages.length, { is: 4 });
    const [first, whole, second, again] = b.messages;
    t.deepEqual([first, second], [match(1), match(2)]);
    const { body, ...rest } = longRelay;
    for (const one of [whole, again]) {
      const { body: heard, ...head } = one as Relay;
      t.deepEqual(head, rest);
      t.true(heard.equals(body));
    }
  });
});

test("with a KM that has version 1 alone, version 1 is spoken, and what it lacks ends the session", async (t) => {
  await withKx(async ({ dialer, b }) => {
    const { end: a, link } = dialer({ versions: [1] });
    link.start();
    await paired(a, b, 1);
    t.is(a.session.version, 1);
    t.is(b.session.version, 1);
    t.is(b.session.hello.version, 1);
    a.session.send(match(1));
    await eventually("messages", () => b.messages.length, { is: 1 });
    a.session.send({ type: "relayPiece", bytes: Buffer.alloc(57_344) });
    await eventually("ends of sessions", () => b.ends.length, { is: 1 });
    t.like(b.ends, [{ code: "kx.message", facts: { command: 0x0144 } }]);
  });
});
