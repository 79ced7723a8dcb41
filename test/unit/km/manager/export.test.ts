/** Records on their way to the manager: in order, each at least once, and never more of them in memory than a few. */
import test from "ava";
import { RecordExport } from "../../../../src/km/manager/export.ts";
import { type NumberedRecord, recordMessages } from "../../../../src/km/manager/record-messages.ts";
import { wholeExtent } from "../../../../src/km/records/record.ts";
import { rounds } from "../../../campaign-scale.ts";
import { ManualClock } from "../../../clock.ts";
import { random } from "../../../random.ts";
import { Contract } from "../../../rig/contract.ts";

const contract = Contract.load();

function record(number: number, keys = 3): NumberedRecord {
  const ids = Buffer.alloc(16 * keys, number & 255);
  const facts = { link: "fibre", state: "S", owner: true, applications: "app-a app-b" };
  const ranges = Array.from({ length: keys }, (_, key) => {
    return { extent: number, key, start: key * 32, end: key * 32 + 32 };
  });
  return { kind: "use", at: number, ids, ranges, facts, number };
}

interface Told {
  readonly number: number;
  readonly part?: number;
  readonly more?: boolean;
  readonly ids?: string[];
  readonly ranges?: object[];
  readonly runs?: { readonly count: number }[];
}

function toldIn(payload: Buffer): Told[] {
  const topic = "qkdn/v1/km/km-a/record";
  const { channel, problems } = contract.check({ topic, payload, qos: 1, retain: false });
  if (problems.length > 0) throw new Error(`${channel}: ${problems.join("; ")}`);
  return JSON.parse(payload.toString()).records;
}

test("records are messages of at most 16 KiB; a long one is told in parts, whole", (t) => {
  const many = 20_000;
  const origin = (i: number) => [1, 256, i, i + 1, 0.03, 0] as const;
  const long: NumberedRecord = {
    kind: "matched",
    at: 1,
    ids: Buffer.alloc(16 * many, 7),
    ranges: [{ extent: 5, key: 0, start: 0, end: wholeExtent }],
    facts: {
      link: "fibre",
      kms: ["km-a", "km-b"],
      modules: [["A".repeat(128), "B".repeat(128)]],
      runs: Array.from({ length: many }, (_, i) => origin(i)),
      unit: 32,
      split: 64,
      leads: true,
    },
    number: 2,
  };
  const wordy = { ...record(3, 1), facts: { applications: "é".repeat(100_000) } };
  const told = [...recordMessages([record(1), long, wordy, record(4)], 7)].flatMap((payload) => {
    t.true(payload.length <= 16_384);
    return toldIn(payload);
  });
  t.deepEqual([...new Set(told.map(({ number }) => number))], [1, 2, 3, 4]);
  const parts = told.filter(({ number }) => number === 2);
  t.deepEqual(
    parts.map(({ part }) => part),
    parts.map((_, i) => i + 1),
  );
  t.deepEqual(
    parts.map(({ more }) => more === true),
    parts.map((_, i) => i < parts.length - 1),
  );
  t.is(parts.flatMap(({ ids = [] }) => ids).length, many);
  t.is(parts.flatMap(({ runs = [] }) => runs).length, many);
  t.deepEqual(
    parts.flatMap(({ ranges = [] }) => ranges),
    [{ extent: 5, key: 0 }],
  );
  t.is(told.filter(({ number }) => number === 1)[0]?.part, undefined);
});

/** A store of records that the test writes to, and drops the oldest of. */
class Files {
  records: NumberedRecord[] = [];
  reads = 0;
  #next = 1;

  write(count: number): void {
    for (let i = 0; i < count; i++) this.records.push(record(this.#next++));
  }

  read(after: string | undefined, most: number) {
    this.reads++;
    const from = Number(after?.split(".")[2] ?? 0);
    const records = this.records.filter(({ number }) => number >= from).slice(0, most);
    const next = (records.at(-1)?.number ?? 0) + 1;
    const position = records.length === 0 ? after : `1.1.${next}`;
    return Promise.resolve({ records, position });
  }
}

function open(files: Files, clock: ManualClock, position?: string) {
  const noted: string[] = [];
  const lost: number[] = [];
  let changes = 0;
  const made = new RecordExport({
    read: (after) => files.read(after, 40),
    position,
    onTold: (to) => noted.push(to),
    onLost: (count) => lost.push(count),
    boot: 1,
    clock,
  });
  made.onChange = () => changes++;
  return { made, noted, lost, changed: () => changes };
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await null;
};

test("whatever the broker and the process do, every record is told, in order, under one number", async (t) => {
  for (let seed = 1; seed <= rounds(40); seed++) {
    const draw = random(seed);
    const files = new Files();
    const clock = new ManualClock();
    const seen: number[] = [];
    let position: string | undefined;
    for (let life = 0; life < 3; life++) {
      const { made, noted, lost } = open(files, clock, position);
      const open_: ReturnType<typeof made.next>[] = [];
      for (let step = 0; step < 60; step++) {
        const what = draw();
        if (what < 0.2) {
          files.write(Math.floor(draw() * 30));
          made.written();
        } else if (what < 0.6) {
          const item = made.next();
          if (item !== undefined) open_.push(item);
        } else if (what < 0.9) {
          const item = open_.shift();
          if (item === undefined) continue;
          seen.push(...toldIn(item.payload).map(({ number }) => number));
          made.done(item);
        } else if (what < 0.95) {
          open_.length = 0;
          made.rewind();
        } else await clock.advance(1_500);
        await settle();
      }
      await clock.advance(2_000);
      position = noted.at(-1) ?? position;
      t.deepEqual(lost, [], `seed ${seed}`);
    }
    // The rest, to the end.
    const { made } = open(files, clock, position);
    made.written();
    for (let idle = 0; idle < 5; ) {
      await settle();
      const item = made.next();
      if (item === undefined) idle++;
      else {
        seen.push(...toldIn(item.payload).map(({ number }) => number));
        made.done(item);
      }
    }
    const first = [...new Set(seen)];
    t.deepEqual(
      first,
      files.records.map(({ number }) => number),
      `seed ${seed}`,
    );
  }
});

test("a broker that never answers is given little, and no more is read for it", async (t) => {
  const files = new Files();
  const { made, noted } = open(files, new ManualClock());
  files.write(100_000);
  made.written();
  let given = 0;
  for (let i = 0; i < 1_000; i++) {
    await settle();
    if (made.next() !== undefined) given++;
    if (i % 10 === 0) made.written();
  }
  t.true(given > 0);
  t.true(files.reads <= 2, `${files.reads} reads`);
  made.flush();
  t.deepEqual(noted, []);
});

test("records that were dropped before they were told are counted", async (t) => {
  const files = new Files();
  const { made, lost } = open(files, new ManualClock(), "1.1.1");
  files.write(100);
  files.records = files.records.filter(({ number }) => number > 30 && number !== 50);
  made.written();
  await settle();
  for (let item = made.next(); item !== undefined; item = made.next()) {
    made.done(item);
    await settle();
  }
  t.is(
    lost.reduce((sum, count) => sum + count, 0),
    31,
  );
});
