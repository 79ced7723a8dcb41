import test from "ava";
import { answerKept } from "../../../../src/node/keys/ports.ts";
import { withBench } from "../../../rig/custody-bench.ts";
import {
  ask,
  durable,
  hex,
  ids,
  offer,
  onRequest,
  record,
  restart,
  take,
  token,
} from "../../../rig/desk-bench.ts";

test("a repeat gets the same keys; another KM with the same token gets others", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 1_024);
    const first = await ask(bench, { token, number: 2 });
    first.sent?.();
    await bench.clock.advance(answerKept - 1);
    const again = await ask(bench, { token, number: 2 });
    t.deepEqual(ids(again), ids(first));
    t.deepEqual(again.keys.map(hex), Array(2).fill("01".repeat(32)));
    const other = await ask(bench, { km: "km-2", token, number: 2 });
    t.is(new Set([...ids(first), ...ids(other)]).size, 4);
    again.sent?.();
    t.like(bench.custody.counters(), { supplied: 2, repeats: 2, confirmed: 0 });
  });
});

test("a token that comes with another number or size is refused, and takes no key", async (t) => {
  for (const restarted of [false, true]) {
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 1_024);
      const first = await take(bench, { token, number: 2, size: 128 });
      if (restarted) await restart(bench);
      for (const other of [{ number: 3 }, { number: 1 }, { size: 64 }, { size: 256 }]) {
        const reply = await ask(bench, { token, number: 2, size: 128, ...other });
        t.like(reply, { response: "invalid_message", keys: [] });
        t.regex(reply.text ?? "", /token/);
      }
      t.deepEqual(await take(bench, { token, number: 2, size: 128 }), first);
      t.is(record(bench)?.assigned.size, 2);
    });
  }
});

test("after its time a token is forgotten: the same again is a new wish", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 512);
    const first = await take(bench, { token, number: 2 });
    await bench.clock.advance(answerKept - 1);
    await durable(bench);
    t.is(bench.module.released.length, 0);
    await bench.clock.advance(1);
    await durable(bench);
    t.is(bench.module.released.length, 1, "at its time, and not when somebody asks next");
    t.like(bench.custody.counters(), { supplied: 2, confirmed: 2, bits: 512 });
    const second = await take(bench, { token, number: 1 });
    t.false(first.includes(second[0] as string));
    await bench.clock.advance(answerKept);
    t.is(bench.clock.timers, 0, "nothing waits");
  });
});

test("each answer is let go of at its own time", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256, 256, 256);
    for (let n = 0; n < 3; n++) {
      await take(bench, { token: `${token} ${n}` });
      await bench.clock.advance(10_000);
    }
    await bench.clock.advance(answerKept - 30_000);
    for (let n = 1; n <= 3; n++) {
      await durable(bench);
      t.is(bench.module.released.length, n);
      await bench.clock.advance(10_000);
    }
  });
});
