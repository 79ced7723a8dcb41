import { readFileSync } from "node:fs";
import test from "ava";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { scan } from "../../../../src/node/ledger/ledger-scan.ts";
import { claimantOf } from "../../../../src/wire/kq1/request.ts";
import { withBench } from "../../../rig/custody-bench.ts";
import { ask, hex, ids, offer, onRequest, restart } from "../../../rig/desk-bench.ts";

test("keys are given oldest first, each once, in the size asked for", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 256, 600);
    const one = await ask(bench, { number: 3 });
    const two = await ask(bench, { number: 10 });
    t.is(one.response, "success");
    t.deepEqual(
      one.keys.map(hex),
      ["01", "01", "02"].map((byte) => byte.repeat(32)),
    );
    t.deepEqual(
      two.keys.map(hex),
      ["03", "03"].map((byte) => byte.repeat(32)),
    );
    t.is(new Set([...ids(one), ...ids(two)]).size, 5);
    t.like(await ask(bench), { response: "no_keys_available", keys: [] });
  });
});

test("a unit may be cut in sizes that divide it, and no piece goes to two", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const seen: string[] = [];
    seen.push(...ids(await ask(bench, { size: 64 })));
    seen.push(...ids(await ask(bench, { size: 128 })));
    // The unit that was begun in 64 bits goes on in 64 bits.
    seen.push(...ids(await ask(bench, { size: 64, number: 9 })));
    seen.push(...ids(await ask(bench, { size: 128, number: 9 })));
    t.is(seen.length, 1 + 1 + 3 + 1);
    t.is(new Set(seen).size, seen.length);
    for (const size of [257, 512, 96, 12]) {
      t.is((await ask(bench, { size })).response, "key_length_unsupported");
    }
  });
});

test("what is given is on disk before it is", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    const [id] = ids(await ask(bench));
    // As after SIGKILL: the ledger's file, read by another.
    const { index } = scan(readFileSync(bench.path), bench.path);
    const { assigned } = [...index.blocks()][0] ?? {};
    t.like(assigned?.get(id as string), { offset: 0, length: 256 });
  });
});

test("without a token every request is a new wish: at once, a week later, after a restart", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 2_048);
    const claimant = claimantOf("km", "QKD-A", "tcp 1");
    const again = () =>
      (bench.custody.desk as OnRequestKeys).request({ claimant, number: 1, size: 256, most: 9 });
    const seen: string[] = [];
    seen.push(...ids(await again()), ...ids(await again()));
    await bench.clock.advance(1_000);
    seen.push(...ids(await again()));
    await bench.clock.advance(7 * 86_400_000);
    seen.push(...ids(await again()));
    await restart(bench);
    seen.push(...ids(await again()));
    t.is(new Set(seen).size, 5);
  });
});
