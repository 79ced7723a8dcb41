import { readFileSync } from "node:fs";
import test from "ava";
import { answerKept } from "../../../../src/node/keys/ports.ts";
import { epoch, withBench } from "../../../rig/custody-bench.ts";
import {
  ask,
  compact,
  durable,
  hex,
  ids,
  kill,
  offer,
  onRequest,
  record,
  restart,
  take,
  token,
} from "../../../rig/desk-bench.ts";

test("after a crash what was given is kept for a repeat; what is not asked for is kept back", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 512);
    const one = await ask(bench, { token, number: 2 });
    const two = await ask(bench, { token: `${token} two` });
    const three = await ask(bench);
    const file = readFileSync(bench.path);
    await bench.restart();
    t.is((await ask(bench, { token, number: 2 })).response, "busy", "not back from the module");
    await kill(bench, file);
    const again = await ask(bench, { token, number: 2 });
    t.deepEqual(ids(again), ids(one));
    t.deepEqual(again.keys.map(hex), Array(2).fill("01".repeat(32)));
    again.sent?.();
    t.is((await ask(bench)).response, "no_keys_available");
    await bench.clock.advance(answerKept);
    await durable(bench);
    t.is(bench.module.released.length, 1);
    const kept = [...ids(two), ...ids(three)];
    t.deepEqual([...(record(bench, 1)?.quarantined.keys() ?? [])], kept);
    t.is((await ask(bench, { token })).response, "no_keys_available");
  });
});

test("after a crash what is known to have left is delivered, and nothing is kept back", async (t) => {
  for (const again of [restart, compact]) {
    for (const repeated of [true, false]) {
      await withBench(onRequest, async (bench) => {
        bench.module.connect(bench.custody);
        offer(bench, 512);
        const sent = await take(bench, { token, number: 2 });
        await durable(bench);
        await kill(bench, readFileSync(bench.path));
        await again(bench);
        if (repeated) t.deepEqual(await take(bench, { token, number: 2 }), sent);
        await bench.clock.advance(answerKept);
        await durable(bench);
        t.is(bench.module.released.length, 1);
        t.is(bench.custody.counters().quarantined, 0);
      });
    }
  }
});

test("of an answer whose blocks are not all back, none is given; later ones share its fate", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256, 256);
    const both = await ask(bench, { token, number: 2 });
    await durable(bench);
    await kill(bench, readFileSync(bench.path));
    // The module is slow: only the first block is there.
    await bench.restart();
    const late = bench.module.blocks.get(`${epoch}/1`);
    bench.module.connect(bench.custody);
    if (late !== undefined) late.offered = true;
    bench.module.offer();
    t.is((await ask(bench, { token, number: 2 })).response, "busy");
    await bench.clock.advance(answerKept);
    if (late !== undefined) late.offered = false;
    bench.module.offer();
    t.is((await ask(bench, { token, number: 2 })).response, "no_keys_available");
    const kept = [0, 1].map((number) => [...(record(bench, number)?.quarantined.keys() ?? [])]);
    t.deepEqual(kept.flat(), ids(both));
  });
});

test("a stop in order frees what never left, and wipes all", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const unsent = await ask(bench, { token });
    const bytes = unsent.keys[0]?.expose() as Uint8Array;
    unsent.unsent?.();
    const waiting = ask(bench);
    await restart(bench);
    t.like(await waiting, { response: "busy", keys: [] });
    t.true(bytes.every((byte) => byte === 0));
    t.is((await take(bench, { number: 9 })).length, 2);
  });
});

test("keys that are destroyed cut the answers that are being sent, and no others", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 768);
    const cuts: string[] = [];
    const asked = (name: string, more = {}) => ask(bench, { cut: () => cuts.push(name), ...more });
    (await asked("sent", { token })).sent?.();
    await asked("under way");
    await asked("again", { token });
    bench.custody.forget();
    t.deepEqual(cuts.sort(), ["again", "under way"]);
  });
});

test("a sending that ends after its keys were forgotten is recorded all the same", async (t) => {
  await withBench(onRequest, async (bench) => {
    const { module, custody } = bench;
    module.connect(custody);
    offer(bench, 768);
    const [sent, torn, unsent] = [await ask(bench), await ask(bench, { token }), await ask(bench)];
    custody.forget();
    sent.sent?.();
    torn.torn?.();
    unsent.unsent?.();
    module.connect(custody);
    module.offer();
    t.deepEqual([...(record(bench)?.delivered ?? [])], ids(sent));
    t.deepEqual(await take(bench, { token }), ids(torn));
    t.is((await ask(bench)).response, "no_keys_available");
    await bench.clock.advance(answerKept);
    t.deepEqual([...(record(bench)?.quarantined.keys() ?? [])], ids(unsent));
  });
});
