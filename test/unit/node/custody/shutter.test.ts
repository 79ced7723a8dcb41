import test from "ava";
import { Shutter } from "../../../../src/node/custody/shutter.ts";
import { type BlockRef, KeyBlock } from "../../../../src/port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../../../src/port/module.ts";
import { patience } from "../../../patience.ts";

const block = (number: number) =>
  new KeyBlock({ ref: { epoch: "e", number }, bits: 64, qber: 0.01 }, Buffer.alloc(8, 7));

/** A driver whose module says what a test wants, before a shutter; what got through, and what it was told. */
async function bench() {
  const got: (number | string)[] = [];
  const told: [string, ...unknown[]][] = [];
  const sessions: { end: () => void; sink: ModuleSink }[] = [];
  const driver: Partial<ModuleDriver> = {
    connect: async (sink) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      sessions.push({ sink, end: () => resolve(undefined) });
      const session: Partial<ModuleSession> = {
        ended: promise,
        grant: (blocks, bytes) => told.push(["grant", blocks, bytes]),
        read: (refs) => told.push(["read", ...refs.map(({ number }) => number)]),
      };
      return session as ModuleSession;
    },
    shut: () => told.push(["shut"]),
    open: () => told.push(["open"]),
  };
  const shutter = new Shutter(driver as ModuleDriver);
  const sink: Partial<ModuleSink> = {
    block: (one) => got.push(one.ref.number),
    damaged: ({ ref }) => got.push(`damaged ${ref.number}`),
    event: ({ code }) => got.push(`event ${code}`),
    absent: (code) => got.push(`absent ${code}`),
  };
  const connect = async () => {
    await shutter.connect(sink as ModuleSink, patience(60_000));
    return sessions.at(-1) as (typeof sessions)[number];
  };
  const damaged = (ref: BlockRef) => ({ ref, bits: 64, qber: 0.01 });
  return { shutter, got, told, connect, damaged };
}

test("an open shutter hands on what comes; a shut one wipes it, and asks for it again", async (t) => {
  const { shutter, got, told, connect, damaged } = await bench();
  const { sink } = await connect();
  sink.block(block(1));
  sink.damaged(damaged({ epoch: "e", number: 2 }), "hash");
  t.deepEqual(got, [1, "damaged 2"]);
  shutter.shut();
  const dropped = block(3);
  sink.block(dropped);
  sink.damaged(damaged({ epoch: "e", number: 4 }), "hash");
  t.true(dropped.wiped);
  t.deepEqual(got, [1, "damaged 2"]);
  shutter.open();
  t.deepEqual(told, [["shut"], ["open"], ["grant", 1, 8], ["read", 3, 4]]);
  sink.block(block(5));
  sink.event({ code: "tamper", severity: "critical", text: "" });
  sink.absent("kme_slow");
  t.deepEqual(got, [1, "damaged 2", 5, "event tamper", "absent kme_slow"]);
  // Nothing is asked for twice.
  told.length = 0;
  shutter.shut();
  shutter.open();
  t.deepEqual(told, [["shut"], ["open"]]);
});

test("it is open once it was opened as often as it was shut", async (t) => {
  const { shutter, got, connect } = await bench();
  const { sink } = await connect();
  shutter.shut();
  shutter.shut();
  shutter.open();
  sink.block(block(1));
  t.deepEqual(got, []);
  shutter.open();
  sink.block(block(2));
  t.deepEqual(got, [2]);
});

test("what was dropped in a session is nothing to the next one", async (t) => {
  const { shutter, told, connect } = await bench();
  const first = await connect();
  shutter.shut();
  first.sink.block(block(1));
  first.end();
  await new Promise((resolve) => setImmediate(resolve));
  await connect();
  told.length = 0;
  shutter.open();
  t.deepEqual(told, [["open"]]);
});
