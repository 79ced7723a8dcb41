/** A KM that takes its time, over real TLS and in time that the test moves. */

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import type { TlsIdentity } from "../../../../src/node/io/connect.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { answerOneByOne, type Behaviour } from "../../../emulator/km/index.ts";
import { eventually } from "../../../eventually.ts";
import { type Serve, withHttpsKm } from "../../../rig/kq1-https-line.ts";
import { endpoint, key, never, withKm } from "../../../rig/kq1-line.ts";

/** `answerTimeout` of the session. */
const timeout = ms(5_000);

/** Keeps answers until the test lets them go, by the key's ID. */
function held() {
  const waiting = new Map<string, () => void>();
  const behaviour: Behaviour = {
    onAnswer(exchange, reason) {
      waiting.set(exchange.supply.id, () => exchange.answer(reason));
      return "handled";
    },
  };
  return { waiting, behaviour };
}

async function isOpen(session: { readonly ended: Promise<unknown> }): Promise<boolean> {
  return (await Promise.race([session.ended, settle().then(() => "open")])) === "open";
}

test("150 keys, one answer every 60 ms, a window of 256: one connection and no repeat", async (t) => {
  const keys = 150;
  await withKm(
    {},
    async ({ km, session, clock, answers, answered }) => {
      km.behave(answerOneByOne(60, clock));
      for (let n = 0; n < keys; n++) session.supply(key(n));
      await km.holding(keys, never);
      for (let n = 1; n <= keys; n++) {
        await clock.advance(60);
        await answered(n);
      }
      t.true(clock.now() > timeout);
      t.true(answers.every(([, response]) => response === "success"));
      t.deepEqual([km.counts.connections, km.store.summary().repeats], [1, 0]);
      t.is(session.room, 256);
      await clock.advance(timeout);
      t.true(await isOpen(session), "nothing is outstanding, nothing is waited for");
    },
    { window: 256 },
  );
});

test("a first answer that comes late is in time, and restarts the time of the others", async (t) => {
  await withKm({}, async ({ km, session, clock, answers, answered }) => {
    const { waiting, behaviour } = held();
    km.behave(behaviour);
    for (let n = 0; n < 3; n++) session.supply(key(n));
    await km.holding(3, never);
    await clock.advance(timeout - 1);
    waiting.get(key(1).id)?.();
    await answered(1);
    await clock.advance(timeout - 1);
    t.true(await isOpen(session));
    await clock.advance(1);
    t.is(((await session.ended) as Fault).message, "KM does not answer");
    t.deepEqual(answers, [[key(1).id, "success"]]);
  });
});

test("bytes that complete no answer are no sign of progress", async (t) => {
  await withKm({}, async ({ km, session, clock }) => {
    let drip = () => {};
    km.behave({
      onAnswer(exchange, reason) {
        const bytes = exchange.response(reason);
        let at = 0;
        drip = () => exchange.raw(bytes.subarray(at, ++at));
        return "handled";
      },
    });
    session.supply(key(1));
    await km.holding(1, never);
    for (let ms = 0; ms < timeout; ms += 500) {
      t.true(await isOpen(session));
      drip();
      await clock.advance(500);
    }
    t.is(((await session.ended) as Fault).code, "kq1.timeout");
  });
});

test("a KM that leaves one key unanswered for ever is given up while others are answered", async (t) => {
  await withKm({}, async ({ km, session, clock, answers, answered }) => {
    const { waiting, behaviour } = held();
    km.behave(behaviour);
    session.supply(key(0));
    await km.holding(1, never);
    for (let n = 1; n < 50; n++) {
      session.supply(key(n));
      await km.holding(n + 1, never);
      await clock.advance(1_000);
      waiting.get(key(n).id)?.();
      await answered(n);
    }
    await clock.advance(999);
    t.true(await isOpen(session));
    await clock.advance(1);
    t.is(
      ((await session.ended) as Fault).message,
      "KM answers others and leaves one key unanswered",
    );
    t.is(answers.length, 49);
    t.is(clock.timers, 0);
  });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("over HTTPS: a KM that works off its requests one by one is waited for", async (t) => {
  const clock = new ManualClock();
  const held: (() => void)[] = [];
  const serve: Serve = (_, response, keyId) => {
    held.push(() => response.end(JSON.stringify({ key_ID: keyId })));
  };
  await withHttpsKm(
    3,
    serve,
    async ({ supply, came, answered }) => {
      for (let n = 0; n < 16; n++) supply.supply(key(n));
      for (let n = 1; n <= 16; n++) {
        await eventually("requests held", () => held.length, { atLeast: Math.min(3, 17 - n) });
        await clock.advance(4_000);
        held.shift()?.();
        await answered(n);
      }
      t.true(await isOpen(supply));
      t.is(came.length, 16, "none was sent twice");
      t.is(clock.timers, 1, "the last look is still to come");
    },
    { clock, answerTimeout: timeout },
  );
  t.is(clock.timers, 0);
});

test("over HTTPS: a KM that falls silent is given up; what waited for a connection never leaves", async (t) => {
  const clock = new ManualClock();
  const held: (() => void)[] = [];
  const serve: Serve = (_, response, keyId) => {
    held.push(() => response.end(JSON.stringify({ key_ID: keyId })));
  };
  await withHttpsKm(
    2,
    serve,
    async ({ supply, came, answers, answered }) => {
      for (let n = 0; n < 8; n++) supply.supply(key(n));
      await eventually("requests held", () => held.length, { atLeast: 2 });
      await clock.advance(timeout - 1);
      for (const answer of held.splice(0)) answer();
      await answered(2);
      await eventually("requests", () => came.length, { atLeast: 4 });
      await clock.advance(timeout - 1);
      t.true(await isOpen(supply));
      await clock.advance(1);
      t.is(((await supply.ended) as Fault).message, "KM does not answer");
      t.deepEqual([came.length, answers.length], [4, 2]);
    },
    { clock, answerTimeout: timeout },
  );
});

test("over HTTPS: a request that is left out while others are answered ends it", async (t) => {
  const clock = new ManualClock();
  const serve: Serve = (_, response, keyId) => {
    if (keyId !== key(0).id) response.end(JSON.stringify({ key_ID: keyId }));
  };
  await withHttpsKm(
    2,
    serve,
    async ({ supply, came, answered }) => {
      supply.supply(key(0));
      await eventually("requests", () => came.length, { atLeast: 1 });
      for (let n = 1; n < 50; n++) {
        supply.supply(key(n));
        await answered(n);
        await clock.advance(1_000);
      }
      t.true(await isOpen(supply));
      await clock.advance(1_000);
      t.regex(((await supply.ended) as Fault).message, /leaves one key unanswered/);
    },
    { clock, answerTimeout: timeout },
  );
});

test("over HTTPS: a KM that takes a connection and no TLS is given up", async (t) => {
  const clock = new ManualClock();
  const mute = createServer(() => {});
  mute.listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const where = await endpoint(port, { connectTimeout: ms(4_000) });
  await withHttpsKm(
    2,
    () => {},
    async ({ supply }) => {
      supply.supply(key(0));
      await turn();
      await clock.advance(3_999);
      t.true(await isOpen(supply));
      await clock.advance(1);
      t.is(((await supply.ended) as Fault).message, "KM does not take a further connection");
    },
    { clock, endpoint: { ...where, tls: where.tls as TlsIdentity } },
  );
  mute.close();
});
