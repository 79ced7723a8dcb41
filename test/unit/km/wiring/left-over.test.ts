/** Keys of a module that was taken out, or renamed, are told, found, given up on an order, and not kept for ever. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createLog } from "../../../../src/base/log.ts";
import type { KmTable, LinkConfig } from "../../../../src/km/config/tables.ts";
import { uuid } from "../../../../src/km/records/kma-key-id.ts";
import { LeftOver } from "../../../../src/km/wiring/left-over.ts";
import { KmRecords } from "../../../../src/km/wiring/records.ts";
import { ManualClock, stepUntil } from "../../../clock.ts";
import { MemoryKeyStore } from "../../../rig/memory-key-store.ts";
import { columnsOf } from "../../../rig/stored-keys.ts";
import { World } from "../../../sim/km/story.ts";

const waitMs = 60_000;

/** Three keys of a module that came one after the other, a minute apart, and a key manager without it. */
async function open(t: ExecutionContext, module = "old") {
  const folder = await mkdtemp(join(tmpdir(), "qkd-left-over-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const links = [{ name: "ab", peer: "b", match_within: waitMs } as LinkConfig];
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const config = {
    km: { id: "a", state_dir: folder } as KmTable,
    ...{ records: { limit_mb: 16, export: false }, modules: [], links },
  };
  const records = await KmRecords.open(config, clock, log);
  t.teardown(() => stepUntil(records.close(), () => clock.advance(100)));
  const keys = [0, 60_000, 120_000].map((ago, i) => ({
    ...{ handle: i + 1, module, id: randomBytes(16), length: 32, bits: 256 },
    at: clock.wall() - ago,
  }));
  const store = new MemoryKeyStore();
  const leftOver = new LeftOver({
    ...{ config, store, clock, log, random: randomBytes },
    loaded: { buffered: columnsOf(keys), extents: [{ link: "cd", number: 1, length: 64 }] },
    dropped: (...told) => records.leftOverDropped(...told),
  });
  records.attachLeftOver(leftOver);
  const timer = leftOver.start();
  t.teardown(() => timer?.cancel());
  const quiet = { name: "none", world: { faults: { kinds: [], meanMs: 1 } } };
  const { a, clock: simulated } = new World(1, 0, quiet);
  records.attach(links[0] as LinkConfig, a.link);
  const during = <T>(work: Promise<T>) =>
    stepUntil(work, () => {
      simulated.runUntil(simulated.now + 1);
      return clock.advance(1);
    });
  const ids = keys.map(({ id }) => uuid(id));
  return { clock, records, leftOver, store, lines, ids, keys, during };
}

test("they are told in the log, listed under the name of before, and known by their IDs", async (t) => {
  const { records, leftOver, lines, ids, keys, during } = await open(t);
  t.is(leftOver.buffer.keys, 3);
  t.is(leftOver.stockBytes, 64);
  t.regex(lines.join(""), /module=old keys=3 dropped_in_s=60/);
  const list = await during(records.list("old", { from: 0 }));
  t.deepEqual(
    list?.keys.map(({ id, became }) => [id, became]),
    ids.map((id) => [id, "waits"]),
  );
  t.is(await during(records.list("other", { from: 0 })), undefined);
  const { kind, steps } = await during(records.story(keys[1]?.id as Buffer));
  t.is(kind, "QKD-key");
  t.deepEqual(
    steps.map(({ step }) => step),
    ["received", "waits"],
  );
});

test("an order to give up keys of a time reaches those of it, whichever link they are of", async (t) => {
  const { clock, records, leftOver, store, ids, keys, during } = await open(t);
  const from = clock.wall() - 90_000;
  t.like(await during(records.affected("ab", { from })), { left_over_keys: 2, waiting_keys: 0 });
  t.is((await during(records.giveUp("ab", { from }, "test")))?.dropped_keys, 2);
  t.deepEqual(
    store.changes.flatMap(({ dropped = [] }) => dropped),
    [1, 2],
  );
  t.is(leftOver.buffer.keys, 1);
  const { steps } = await during(records.story(keys[0]?.id as Buffer));
  t.like(steps.at(-1), { step: "dropped", reason: "order" });
  t.deepEqual(
    (await during(records.list("old", { from: 0 })))?.keys.map(({ id }) => id).sort(),
    ids.toSorted(),
  );
});

test("in the time in which a link drops what finds no match they are dropped, too", async (t) => {
  const { clock, records, leftOver, store, lines, keys, during } = await open(t);
  await clock.advance(waitMs - 1);
  t.is(leftOver.buffer.keys, 3);
  await clock.advance(20_000);
  t.is(leftOver.buffer.keys, 0);
  t.regex(lines.join(""), /waited too long: dropped.* keys=3/);
  await new Promise(setImmediate);
  t.is(store.changes.flatMap(({ dropped = [] }) => dropped).length, 3);
  const { steps } = await during(records.story(keys[2]?.id as Buffer));
  t.like(steps.at(-1), { step: "dropped", reason: "left_over" });
});

test("keys that a clock stamped which ran ahead are of a time that ends now, and of no other", async (t) => {
  const { clock, records, during } = await open(t);
  clock.offset -= 1e9;
  const from = clock.wall() - 1_000;
  const to = clock.wall();
  t.like(await during(records.affected("ab", { from })), { left_over_keys: 3 });
  t.like(await during(records.affected("ab", { from, to })), { left_over_keys: 0 });
  t.is((await during(records.giveUp("ab", { from, to }, "test")))?.dropped_keys, 0);
  t.is((await during(records.giveUp("ab", { from }, "test")))?.dropped_keys, 3);
});

test("keys that were relayed to a link which is direct now are left over, too", async (t) => {
  const { leftOver } = await open(t, "relay ab otp");
  t.is(leftOver.buffer.keys, 3);
});
