import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { KmLink } from "../../../../src/km/link/link.ts";
import { usualLimits } from "../../../../src/km/peer/context.ts";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import type { Buffered, Change } from "../../../../src/km/store/port.ts";
import { encodeExtent } from "../../../../src/km/store/rows.ts";
import { ManualClock } from "../../../clock.ts";

const row = (number: number) => ({
  kind: "extent" as const,
  link: "ab",
  key: `${number}`,
  value: encodeExtent({
    number,
    length: 64,
    digest: Buffer.alloc(32),
    facts: { modules: ["QKD-A", "QKD-B"], keys: 1, unit: 32, at: 0 },
    regions: [{ start: 0, end: 64, version: 1, mark: 0, giving: false }],
    open: true,
    used: 0,
    uses: 0,
  }),
});

test("stock that the books know and the store has lost is void from the start, and told", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-lost-"));
  const clock = new ManualClock();
  const { store } = await openEngine({
    folder,
    masterKey: randomBytes(32),
    limitBytes: 1e9,
    wipeAfterMs: 10_000,
    cycleMs: 0,
    clock,
    onFailure: (fault) => t.fail(fault.message),
  });
  t.teardown(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  const commit = (change: Change) => new Promise<void>((done) => store.commit(change, done));
  const key = { id: randomBytes(16), bits: 512, bytes: randomBytes(64) };
  const stored = await new Promise<readonly Buffered[]>((done) => store.put("m", [key], done));
  const handles = stored.map(({ handle }) => handle);
  const rows = [row(1), row(2)];
  await commit({ rows, extents: [{ link: "ab", number: 1, length: 64, handles }] });
  const told: LinkEvent[] = [];
  const link = new KmLink(
    {
      link: "ab",
      me: "a",
      peer: "b",
      modules: [{ module: "m", ids: ["QKD-A", "QKD-B"] }],
      limits: usualLimits,
      takes: "witnessed",
      incarnation: randomBytes(16),
    },
    {
      store,
      now: () => clock.now(),
      wall: () => clock.wall(),
      random: randomBytes,
      soon: queueMicrotask,
      tell: (event) => told.push(event),
      mayBind: () => true,
      left: () => {},
    },
    rows,
    [],
    new Set([1]),
  );
  t.deepEqual(told, [{ type: "lost", bytes: 64 }]);
  await commit({});
  const marks = [...link.books.stock.extents.values()].map(({ number, regions }) => [
    number,
    regions[0]?.mark,
  ]);
  t.deepEqual(marks, [[1, 0]]);
});
