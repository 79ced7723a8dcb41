import test, { type ExecutionContext } from "ava";
import { answerKept } from "../../src/custody/desk.ts";
import type { KeyDesk, KeyReply } from "../../src/custody/ports.ts";
import { slotOf } from "../../src/kq1/request.ts";
import type { QkdKey } from "../../src/port/key.ts";
import { random } from "../random.ts";
import { type Bench, durable, withBench } from "../rig/custody-bench.ts";

const onRequest = { onRequest: true, keyBits: 256 };

interface Asked {
  readonly km?: string;
  readonly token: number | string;
  readonly number?: number;
  readonly size?: number;
  readonly most?: number;
  readonly repeatable?: boolean;
}

function ask(bench: Bench, asked: Asked): Promise<KeyReply> {
  const { km = "km-1", token, number = 1, size = 256, most = 1_000, repeatable = true } = asked;
  const slot = slotOf(km, "QKD-A", String(token));
  return (bench.custody.desk as KeyDesk).request({ slot, number, size, most, repeatable });
}

const ids = (reply: KeyReply) => reply.keys.map(({ id }) => id);
const hex = (key: QkdKey | undefined) => Buffer.from(key?.expose() ?? []).toString("hex");

/** The module offers blocks of these lengths, bits; every byte is the block's number plus one. */
function offer(bench: Bench, ...bits: number[]): void {
  const first = bench.module.blocks.size + bench.module.released.length;
  bits.forEach((length, i) => {
    bench.module.add(first + i, length);
  });
  bench.module.offer();
}

test("keys are given oldest first, each once, in the size asked for", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 256, 600);
    const one = await ask(bench, { token: 1, number: 3 });
    const two = await ask(bench, { token: 2, number: 10 });
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
    t.like(await ask(bench, { token: 3 }), { response: "no_keys_available", keys: [] });
    t.like(bench.custody.counters(), { supplied: 5, confirmed: 0 });
  });
});

test("a unit may be cut in sizes that divide it, and no piece goes to two", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const seen: string[] = [];
    seen.push(...ids(await ask(bench, { token: 1, size: 64 })));
    seen.push(...ids(await ask(bench, { token: 2, size: 128 })));
    // The unit that was begun in 64 bits goes on in 64 bits.
    seen.push(...ids(await ask(bench, { token: 3, size: 64, number: 9 })));
    seen.push(...ids(await ask(bench, { token: 4, size: 128, number: 9 })));
    t.is(seen.length, 1 + 1 + 3 + 1);
    t.is(new Set(seen).size, seen.length);
    for (const size of [257, 512, 96, 12]) {
      t.is((await ask(bench, { token: size, size })).response, "key_length_unsupported");
    }
  });
});

test("a repeat of a request gets the same keys, also after a crash", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 512);
    const first = await ask(bench, { token: 7, number: 3, size: 128 });
    const expected = ids(first);
    const bytes = first.keys.map(hex);
    t.deepEqual(ids(await ask(bench, { token: 7, number: 3, size: 128 })), expected);
    await bench.restart();
    t.is((await ask(bench, { token: 7, number: 3, size: 128 })).response, "no_keys_available");
    bench.module.connect(bench.custody);
    bench.module.offer();
    const again = await ask(bench, { token: 7, number: 3, size: 128 });
    t.deepEqual(ids(again), expected);
    t.deepEqual(again.keys.map(hex), bytes);
    const others = await ask(bench, { token: 8, number: 100, size: 128 });
    t.is(others.keys.length, 5);
    t.true(ids(others).every((id) => !expected.includes(id)));
  });
});

test("a key goes to no other KM, whatever it asks", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 1_024);
    const mine = await ask(bench, { km: "km-1", token: 1, number: 2 });
    const theirs = await ask(bench, { km: "km-2", token: 1, number: 9 });
    t.is(theirs.keys.length, 2);
    t.deepEqual(
      ids(mine).filter((id) => ids(theirs).includes(id)),
      [],
    );
  });
});

test("a block is released when nobody can ask for its keys again", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512, 512);
    await ask(bench, { token: 1, number: 2 });
    await bench.clock.advance(answerKept + 1);
    await durable(bench);
    t.deepEqual(bench.module.released, [], "its newest answer a KM may always ask for");
    await ask(bench, { token: 2, number: 1 });
    await durable(bench);
    t.is(bench.module.released.length, 1);
    t.like(bench.custody.counters(), { confirmed: 2, bits: 512 });
    await ask(bench, { token: 3, number: 1 });
    await bench.clock.advance(answerKept + 1);
    await ask(bench, { token: 4, number: 1 });
    await bench.clock.advance(answerKept + 1);
    await durable(bench);
    t.is(bench.module.released.length, 1, "half of the second block is the newest answer's");
  });
});

test("without a way to repeat, a key is delivered when it was sent", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    const reply = await ask(bench, { token: "a", repeatable: false });
    t.is(hex(reply.keys[0]), "01".repeat(32));
    reply.sent?.();
    await durable(bench);
    t.is(bench.module.released.length, 1);
  });
});

test("what is given is on disk before it is", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    const reply = await ask(bench, { token: 1 });
    const id = ids(reply)[0] as string;
    // As after SIGKILL: the ledger's file, read by another.
    const { LedgerFile } = await import("../../src/custody/ledger-file.ts");
    const { diskFiles } = await import("../../src/state/files.ts");
    const { silentLog } = await import("../../src/port/log.ts");
    const ledger = await LedgerFile.open(diskFiles, bench.path, silentLog);
    t.like([...ledger.blocks()][0]?.assigned.get(id), { offset: 0, length: 256 });
    await ledger.close();
  });
});

/** Two KMs ask, repeat and crash the node in any order. */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  await withBench(onRequest, async (bench) => {
    const owner = new Map<string, string>();
    const content = new Map<string, string>();
    const answers = new Map<string, string>();
    const last = new Map<string, number>();
    bench.module.connect(bench.custody);
    let blocks = 0;
    for (let i = 0; i < 300; i++) {
      const way = draw();
      if (way < 0.25) {
        const bits = 256 * (1 + Math.floor(draw() * 3)) + (draw() < 0.3 ? 100 : 0);
        bench.module.add(blocks++, bits);
        bench.module.offer();
      } else if (way < 0.3) {
        await bench.restart();
        bench.module.connect(bench.custody);
        bench.module.offer();
      } else if (way < 0.4) {
        await bench.clock.advance(draw() * 50_000);
      } else {
        const km = draw() < 0.5 ? "km-1" : "km-2";
        const repeat = draw() < 0.3 && last.has(km);
        const token = (last.get(km) ?? 0) + (repeat ? 0 : 1);
        last.set(km, token);
        const size = repeat ? 256 : ([256, 128, 64][Math.floor(draw() * 3)] as number);
        const reply = await ask(bench, { km, token, number: 1 + Math.floor(draw() * 4), size });
        if (reply.response !== "success") continue;
        const name = `${km} ${token}`;
        const told = ids(reply).join();
        // Within a minute, or until its next request, a KM gets the same again.
        if (answers.has(name)) t.is(answers.get(name), told, `seed ${seed}: ${name}`);
        answers.set(name, told);
        for (const key of reply.keys) {
          t.is(owner.get(key.id) ?? km, km, `seed ${seed}: a key for two`);
          owner.set(key.id, km);
          t.is(content.get(key.id) ?? hex(key), hex(key), "one ID, two contents");
          content.set(key.id, hex(key));
        }
      }
    }
    await durable(bench);
    // No bit was given twice: the lengths of all keys of a block are at most the block's.
    const given = new Map<string, number>();
    for (const bytes of content.values()) {
      const block = bytes.slice(0, 2);
      given.set(block, (given.get(block) ?? 0) + bytes.length * 4);
    }
    for (const bits of given.values()) t.true(bits <= 3 * 256);
  });
}

for (let seed = 1; seed <= 8; seed++) {
  test(`whoever asks what, and whenever the node dies, no key is for two (seed ${seed})`, (t) =>
    story(t, seed));
}
