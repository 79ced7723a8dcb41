import { readFileSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { encodeEntry, fileHeader, recordLength } from "../../src/custody/ledger-record.ts";
import { scan } from "../../src/custody/ledger-scan.ts";
import { answerKept, type KeyDesk, type KeyReply, nobody } from "../../src/custody/ports.ts";
import { slotOf } from "../../src/kq1/request.ts";
import { blockName, type QkdKey } from "../../src/port/key.ts";
import { settle } from "../clock.ts";
import { random } from "../random.ts";
import { type Bench, epoch, withBench } from "../rig/custody-bench.ts";

const onRequest = { onRequest: true, keyBits: 256 };

interface Asked {
  readonly km?: string;
  readonly token?: string;
  readonly number?: number;
  readonly size?: number;
  readonly most?: number;
}

let asked = 0;

function ask(bench: Bench, { km = "km-1", token, ...more }: Asked = {}): Promise<KeyReply> {
  const slot = slotOf(km, "QKD-A", `request ${asked++}`);
  const wanted = { number: 1, size: 256, most: 1_000, ...more };
  return (bench.custody.desk as KeyDesk).request({ slot, token, ...wanted });
}

/** Asks, and has the answer sent. @returns the keys' IDs */
async function take(bench: Bench, wanted: Asked = {}): Promise<string[]> {
  const reply = await ask(bench, wanted);
  const taken = ids(reply);
  reply.sent?.();
  return taken;
}

const ids = (reply: KeyReply) => reply.keys.map(({ id }) => id);
const hex = (key: QkdKey | undefined) => Buffer.from(key?.expose() ?? []).toString("hex");
const record = (bench: Bench, number = 0) => bench.ledger.get(blockName({ epoch, number }));

/** Everything recorded is on disk, and what follows from that has happened; no time passes. */
async function durable(bench: Bench): Promise<void> {
  await new Promise<void>((resolve) => bench.ledger.whenDurable(resolve));
  await settle();
}

/** The module offers blocks of these lengths, bits; every byte is the block's number plus one. */
function offer(bench: Bench, ...bits: number[]): void {
  const first = bench.module.blocks.size + bench.module.released.length;
  bits.forEach((length, i) => {
    bench.module.add(first + i, length);
  });
  bench.module.offer();
}

/** A new process, to which the module offers what it has. */
async function restart(bench: Bench): Promise<void> {
  await bench.restart();
  bench.module.connect(bench.custody);
  bench.module.offer();
}

/** As after SIGKILL: what was told of sendings since is not recorded. */
async function kill(bench: Bench, before: Buffer): Promise<void> {
  bench.module.disconnect();
  await bench.ledger.close();
  writeFileSync(bench.path, before);
  await restart(bench);
}

/** Makes the ledger's file anew from the fewest entries that say the same. */
async function compact(bench: Bench): Promise<void> {
  await bench.ledger.close();
  const entries = [...scan(readFileSync(bench.path), bench.path).index.entries()];
  const made = Buffer.alloc((entries.length + 1) * recordLength);
  fileHeader(0).copy(made);
  for (const [i, entry] of entries.entries()) encodeEntry(entry, 0, made, (i + 1) * recordLength);
  writeFileSync(bench.path, made);
  await restart(bench);
}

const token = "a token of some length";

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
    const slot = slotOf("km", "QKD-A", "tcp 1");
    const again = () =>
      (bench.custody.desk as KeyDesk).request({ slot, number: 1, size: 256, most: 9 });
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

test("a key is delivered when its answer was sent: recorded, counted, overwritten; the rest stays", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const reply = await ask(bench, { size: 64 });
    const [id] = ids(reply);
    const bytes = reply.keys[0]?.expose() as Uint8Array;
    const counters = () => bench.custody.counters();
    t.like(counters(), { supplied: 0, confirmed: 0, bits: 0 });
    reply.sent?.();
    t.deepEqual(Buffer.from(bytes), Buffer.alloc(8));
    t.true(record(bench)?.delivered.has(id as string));
    reply.sent?.();
    reply.torn?.();
    t.like(counters(), { supplied: 1, confirmed: 1, bits: 64, quarantined: 0 });
    const rest = [...(await ask(bench, { size: 64, number: 3 })).keys, ...(await ask(bench)).keys];
    t.deepEqual(rest.map(hex), [...Array(3).fill("01".repeat(8)), "01".repeat(32)]);
  });
});

test("keys of a whole block, longer than a page, are wiped when they were sent", async (t) => {
  await withBench({ onRequest: true, keyBits: 65_536 }, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 65_536, 131_072);
    const replies = [await ask(bench, { size: 65_536 }), await ask(bench, { size: 65_536 })];
    for (const reply of replies) {
      const [key] = reply.keys;
      t.is(key?.byteLength, 8_192);
      const bytes = key?.expose() as Uint8Array;
      reply.sent?.();
      t.true(key?.wiped);
      t.true(bytes.every((byte) => byte === 0));
    }
    t.is(hex((await ask(bench, { size: 65_536 })).keys[0]), "02".repeat(8_192));
  });
});

test("a key of which not one byte was written is free again, for any KM, under its ID", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const lost = await ask(bench, { number: 1 });
    const later = await take(bench);
    lost.unsent?.();
    t.like(bench.custody.counters(), { supplied: 1, confirmed: 1 });
    const second = await ask(bench, { km: "km-2", number: 9 });
    t.deepEqual(ids(second), ids(lost));
    t.is(hex(second.keys[0]), "01".repeat(32));
    t.not(later[0], ids(lost)[0]);
  });
});

test("that a key is free again is known after a restart and a compaction", async (t) => {
  for (const again of [restart, compact]) {
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 512);
      const quarter = await take(bench, { size: 64 });
      const lost = await ask(bench, { size: 64 });
      const unit = await ask(bench);
      const expected = [ids(lost)[0], ids(unit)[0]];
      lost.unsent?.();
      unit.unsent?.();
      await again(bench);
      const pieces = await take(bench, { size: 64, number: 3 });
      t.true(pieces.includes(expected[0] as string));
      t.false(pieces.includes(quarter[0] as string));
      t.deepEqual(await take(bench), [expected[1]]);
      await durable(bench);
      t.is(bench.module.released.length, 1);
      t.is(bench.custody.counters().quarantined, 0);
    });
  }
});

test("a key of which some may have left is kept back until an operator decides", async (t) => {
  for (const decision of ["reinstate", "discard"] as const) {
    await withBench(onRequest, async (bench) => {
      const { custody, module } = bench;
      module.connect(custody);
      offer(bench, 512);
      const lost = await ask(bench);
      const [id] = ids(lost) as [string];
      lost.torn?.();
      t.like(custody.counters(), { supplied: 0, confirmed: 0, quarantined: 1 });
      const [told] = bench.events;
      t.like(told, { type: "key_quarantined", facts: { key_ID: id, reason: "interrupted" } });
      t.is((await take(bench)).length, 1);
      t.is((await ask(bench)).response, "no_keys_available");
      await durable(bench);
      t.like(custody.counters(), { held_blocks: 0 });
      t.is(module.released.length, 0);
      t.is(custody.aside[decision](id), undefined);
      await durable(bench);
      module.offer();
      await durable(bench);
      if (decision === "reinstate") t.deepEqual(await take(bench), [id]);
      else t.is((await ask(bench)).response, "no_keys_available");
      await durable(bench);
      t.is(module.released.length, 1);
    });
  }
});

test("an operator can decide while other keys of the block wait; the size of its unit stays", async (t) => {
  for (const again of [undefined, restart, compact]) {
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 768);
      const [one, two] = [await ask(bench), await ask(bench, { size: 128 })];
      const [first, half] = [ids(one)[0] as string, ids(two)[0] as string];
      for (const reply of [one, two]) reply.torn?.();
      await again?.(bench);
      t.is(bench.custody.aside.reinstate(first), undefined);
      t.is(bench.custody.aside.discard(half), undefined);
      t.is(bench.custody.aside.reinstate(`${epoch}/0`), "on_its_way");
      await durable(bench);
      await again?.(bench);
      const pieces = [await take(bench, { size: 64 }), await take(bench, { size: 128, number: 9 })];
      t.false(pieces.flat().includes(half));
      t.deepEqual(
        pieces.map(({ length }) => length),
        [1, 1],
        "the unit whose ID may be known is not cut in others",
      );
      t.deepEqual((await take(bench, { number: 9 }))[0], first);
      await take(bench, { size: 64, number: 9 });
      await durable(bench);
      t.is(bench.module.released.length, 1);
    });
  }
});

test("a torn answer with a token can be asked for again; then it is delivered", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 256);
    const first = await ask(bench, { token });
    first.torn?.();
    t.deepEqual(await take(bench, { token }), ids(first));
    (await ask(bench, { token })).torn?.();
    await bench.clock.advance(answerKept);
    await durable(bench);
    t.is(bench.module.released.length, 1);
    t.like(bench.custody.counters(), { supplied: 1, confirmed: 1, quarantined: 0 });
  });
});

test("at the end of its time a torn answer is kept back, and one that never left is free", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const torn = await ask(bench, { token });
    const unsent = await ask(bench, { token: `${token} two` });
    torn.torn?.();
    unsent.unsent?.();
    (await ask(bench, { token })).unsent?.();
    t.is((await ask(bench)).response, "no_keys_available", "both are kept for a repeat");
    await bench.clock.advance(answerKept);
    t.is(record(bench)?.quarantined.get(ids(torn)[0] as string), "interrupted");
    t.deepEqual(await take(bench, { number: 9 }), ids(unsent));
  });
});

test("an answer that is being sent when its time ends is settled when that is over", async (t) => {
  await withBench(onRequest, async (bench) => {
    bench.module.connect(bench.custody);
    offer(bench, 512);
    const slow = await ask(bench, { token });
    await bench.clock.advance(answerKept);
    t.is((await ask(bench, { token })).response, "busy");
    t.is(record(bench)?.delivered.size, 0);
    slow.sent?.();
    t.is(record(bench)?.delivered.size, 1);
    const next = await ask(bench, { token });
    t.not(ids(next)[0], ids(slow)[0]);
  });
});

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
    await withBench(onRequest, async (bench) => {
      bench.module.connect(bench.custody);
      offer(bench, 512);
      const sent = await take(bench, { token, number: 2 });
      await durable(bench);
      const file = readFileSync(bench.path);
      await kill(bench, file);
      await again(bench);
      t.deepEqual(await take(bench, { token, number: 2 }), sent);
      await bench.clock.advance(answerKept);
      await durable(bench);
      t.is(bench.module.released.length, 1);
      t.is(bench.custody.counters().quarantined, 0);
    });
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

/** A key that was given: for which requests, and for which of them the KM has it. */
interface Piece {
  readonly wishes: Set<string>;
  readonly received: Set<string>;
}

/**
 * KMs ask, with and without tokens, and repeat; answers arrive, get lost or break off; the node is
 * killed and restarted. What the KMs saw is compared with what the ledger says in the end.
 */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(draw() * values.length)] as T;
  await withBench({ ...onRequest, maxHeldBlocks: 1_000 }, async (bench) => {
    const seen = new Map<string, Piece>();
    const content = new Map<string, string>();
    const sending: { name: string; reply: KeyReply }[] = [];
    const wishes = new Map<string, { asked: Asked; at: number }>();
    let blocks = 0;
    let wish = 0;
    let discarded = 0;
    bench.module.connect(bench.custody);

    const arrived = ({ name, reply }: { name: string; reply: KeyReply }) => {
      for (const id of ids(reply)) seen.get(id)?.received.add(name);
    };
    const end = (how: "sent" | "torn" | "unsent") => {
      const one = sending.splice(Math.floor(draw() * sending.length), 1)[0];
      if (one === undefined) return;
      if (how === "sent" || (how === "torn" && draw() < 0.5)) arrived(one);
      one.reply[how]?.();
    };
    const answer = (name: string, reply: KeyReply) => {
      for (const key of reply.keys) {
        t.is(content.get(key.id) ?? hex(key), hex(key), `seed ${seed}: one ID, two contents`);
        content.set(key.id, hex(key));
        const piece = seen.get(key.id) ?? { wishes: new Set(), received: new Set() };
        const others = [...piece.received].filter((other) => other !== name);
        t.deepEqual(others, [], `seed ${seed}: ${key.id} for two`);
        seen.set(key.id, piece);
        piece.wishes.add(name);
      }
      if (reply.keys.length > 0) sending.push({ name, reply });
    };
    for (let i = 0; i < 300; i++) {
      const way = draw();
      if (way < 0.2) {
        bench.module.add(blocks++, 256 * (1 + Math.floor(draw() * 3)) + (draw() < 0.3 ? 100 : 0));
        bench.module.offer();
      } else if (way < 0.24) {
        // What is being sent may be at the KM when the node dies.
        for (const one of sending.splice(0)) if (draw() < 0.5) arrived(one);
        const how = draw();
        if (how < 0.3) await restart(bench);
        else if (how < 0.6) await compact(bench);
        else await kill(bench, readFileSync(bench.path));
      } else if (way < 0.3) {
        await bench.clock.advance(draw() * 50_000);
      } else if (way < 0.6) {
        end(pick(["sent", "sent", "torn", "unsent"]));
      } else {
        const [name, old] = pick([...wishes]) ?? [];
        if (name !== undefined && old !== undefined && draw() < 0.4) {
          const reply = await ask(bench, old.asked);
          const isRepeat = bench.clock.now() - old.at < answerKept && reply.keys.length > 0;
          const known = [...seen].filter(([, piece]) => piece.wishes.has(name)).map(([id]) => id);
          // A stop in order frees what never left, token or not.
          if (isRepeat && known.some((id) => seen.get(id)?.received.has(name))) {
            t.deepEqual(ids(reply).sort(), known.sort(), `seed ${seed}: a repeat of ${name}`);
          }
          // After its time it is a new wish, also under the same token.
          const same = ids(reply).some((id) => known.includes(id));
          const other = `wish ${wish++}`;
          answer(same ? name : other, reply);
          if (!same) {
            wishes.delete(name);
            if (reply.keys.length > 0) wishes.set(other, { ...old, at: bench.clock.now() });
          }
        } else {
          const asked: Asked = {
            km: pick(["km-1", "km-2"]),
            number: 1 + Math.floor(draw() * 4),
            size: pick([256, 128, 64]),
            ...(draw() < 0.5 && { token: `token of this length ${wish}` }),
          };
          const fresh = `wish ${wish++}`;
          const reply = await ask(bench, asked);
          answer(fresh, reply);
          if (reply.keys.length > 0 && asked.token !== undefined) {
            wishes.set(fresh, { asked, at: bench.clock.now() });
          }
        }
      }
    }
    while (sending.length > 0) end(pick(["sent", "torn", "unsent"]));
    await bench.clock.advance(answerKept);
    await durable(bench);
    // Everything is settled: with the KM, free, or kept back.
    for (const { assigned, delivered, quarantined, complete } of bench.ledger.blocks()) {
      if (complete) continue;
      for (const [id, { slot }] of assigned) {
        const settled = delivered.has(id) || quarantined.has(id) || slot === nobody;
        t.true(settled, `seed ${seed}: ${id} is neither`);
        if (delivered.has(id))
          t.is(seen.get(id)?.received.size, 1, `seed ${seed}: ${id} was not sent`);
        if (quarantined.has(id)) discarded++;
      }
    }
    // The operator gives up what is kept back; the KM takes all that is free.
    for (const { key_ID } of bench.custody.aside.list(10_000)) {
      bench.custody.aside.discard(key_ID as string);
    }
    await durable(bench);
    bench.module.offer();
    for (const size of [64, 128, 256]) {
      for (;;) {
        const reply = await ask(bench, { size, number: 100 });
        if (reply.keys.length === 0) break;
        answer(`rest ${wish++}`, reply);
        end("sent");
      }
    }
    await durable(bench);
    bench.module.offer();
    await durable(bench);
    t.is(bench.module.blocks.size, 0, `seed ${seed}: every block is let go of`);
    t.is(bench.custody.counters().held_blocks, 0);
    t.true(discarded > 0);
    // No bit was given under two IDs: the lengths of a block's keys are at most the block's.
    const given = new Map<string, number>();
    for (const [id, bytes] of content) {
      if (seen.get(id)?.received.size === 0) continue;
      const block = bytes.slice(0, 2);
      given.set(block, (given.get(block) ?? 0) + bytes.length * 4);
    }
    for (const bits of given.values()) t.true(bits <= 3 * 256);
  });
}

for (let seed = 1; seed <= 8; seed++) {
  test(`whatever is lost, and whenever the node dies, no key is for two requests (seed ${seed})`, (t) =>
    story(t, seed));
}
