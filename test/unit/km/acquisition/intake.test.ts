import { createHash, randomBytes, randomUUID } from "node:crypto";
import test from "ava";
import { IdMemory } from "../../../../src/km/acquisition/id-memory.ts";
import { Line } from "../../../../src/km/acquisition/line.ts";
import type { SupplyResponse } from "../../../../src/wire/kq1/supply-answer.ts";
import { SupplyReader } from "../../../../src/wire/kq1/supply-reader.ts";
import { random as seeded } from "../../../random.ts";
import { moduleA, noRecord, openIntake } from "../../../rig/kq1-intake.ts";
import { MemoryKeyStore } from "../../../rig/memory-key-store.ts";
import { columnsOf } from "../../../rig/stored-keys.ts";

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
  readonly bits?: number;
  readonly moduleId?: string;
  readonly matching?: string;
}

const openMemory = () => new IdMemory(noRecord, 4_096);
const newKey = (bytes = 32): Key => ({ id: randomUUID(), bytes: randomBytes(bytes) });
const idOf = ({ id }: Key) => id.replaceAll("-", "");

class TestLine extends Line {
  readonly said: SupplyResponse[] = [];
  #next = 0;
  readonly #reader = new SupplyReader();

  constructor(names: readonly string[] | "plain" = ["node-a"]) {
    super(names === "plain" ? undefined : names);
  }

  override answer(ticket: number, response: SupplyResponse): void {
    if (this.said[ticket] !== undefined) throw new Error("answered twice");
    this.said[ticket] = response;
  }

  supply(intake: ReturnType<typeof openIntake>["intake"], key: Key): number {
    const payload = Buffer.from(
      JSON.stringify({
        qkd_module_ID: key.moduleId ?? moduleA.moduleId,
        matching_qkd_module_ID: key.matching,
        key_ID: key.id,
        key_length: key.bits ?? key.bytes.length * 8,
        hash_value: `sha-256:${createHash("sha256").update(key.bytes).digest("hex")}`,
        key: key.bytes.toString("base64"),
      }),
    );
    const refusal = this.#reader.read(payload, 0, payload.length);
    if (refusal !== undefined) throw new Error(refusal.why);
    const ticket = this.#next++;
    intake.supply(this, ticket, this.#reader);
    return ticket;
  }
}

/** Intake over a store that is only durable when it is told so. */
function bench(store = new MemoryKeyStore(undefined), more: Parameters<typeof openIntake>[1] = {}) {
  const opened = openIntake(store, more);
  const line = new TestLine();
  const { intake } = opened;
  return {
    ...opened,
    line,
    /** Supplies, has all of it done, and tells the answers. */
    all(keys: readonly Key[], by = line) {
      const tickets = keys.map((key) => by.supply(intake, key));
      intake.flush();
      store.sync();
      return tickets.map((ticket) => by.said[ticket]);
    },
  };
}

test("a key is answered when it is durable, not before; keys of one turn are stored together", (t) => {
  const { intake, store, told, line } = bench();
  const keys = [newKey(), newKey(16), newKey(1_000)];
  for (const key of keys) line.supply(intake, key);
  t.deepEqual(store.puts, []);
  intake.flush();
  t.deepEqual(store.puts, [3]);
  t.deepEqual(line.said, []);
  t.deepEqual(intake.inFlight, { keys: 3, bytes: 1_048 });
  store.sync();
  t.deepEqual(line.said, ["success", "success", "success"]);
  t.deepEqual(intake.inFlight, { keys: 0, bytes: 0 });
  t.deepEqual(
    told.buffered.map(({ id }) => Buffer.from(id).toString("hex")),
    keys.map(idOf),
  );
  t.like(told.buffered[1], { module: "a", bits: 128, length: 16 });
  for (const [i, { bytes }] of [...store.entries.values()].entries()) {
    t.true(bytes.equals(keys[i]?.bytes as Buffer));
  }
  t.like(intake.module("a")?.counts, { keys: 3, bits: 1_048 * 8 });
});

test("more keys in a turn than fit together are stored in their order all the same", (t) => {
  const { all, store } = bench();
  const keys = [
    ...Array.from({ length: 2_500 }, () => newKey()),
    ...Array.from({ length: 20 }, () => newKey(47_000)),
  ];
  t.true(all(keys).every((word) => word === "success"));
  t.deepEqual(
    store.buffered.map(({ id }) => Buffer.from(id).toString("hex")),
    keys.map(idOf),
  );
  t.true(store.puts.length < 12);
});

test("whose module it is, who may supply for it, and its pair are looked at", (t) => {
  const { all, intake, store } = bench();
  const stranger = new TestLine(["node-b"]);
  t.deepEqual(all([newKey()], stranger), ["unauthorized"]);
  t.deepEqual(all([newKey()], new TestLine([])), ["unauthorized"]);
  t.deepEqual(all([newKey()], new TestLine(["x", "node-a"])), ["success"]);
  t.deepEqual(
    all([
      { ...newKey(), moduleId: "QKD-X" },
      { ...newKey(), matching: "QKD-X" },
      { ...newKey(), matching: "QKD-B-0001" },
      newKey(),
    ]),
    ["unknown_module", "unknown_module", "success", "success"],
  );
  t.is(store.entries.size, 3);
  t.deepEqual(intake.refused, { unauthorized: 2, unknown_module: 2 });
});

test("a node whose certificate is bound to one module does not supply for another; of two it may both", (t) => {
  const store = new MemoryKeyStore(undefined);
  const moduleB = { name: "b", moduleId: "QKD-C", matchingModuleId: "QKD-D", nodes: ["node-b"] };
  const { all, intake } = bench(store, {
    modules: [
      { ...moduleA, memory: openMemory() },
      { ...moduleB, memory: openMemory() },
    ],
  });
  const ofB = { ...newKey(), moduleId: "QKD-C" };
  t.deepEqual(all([newKey(), ofB]), ["success", "unauthorized"]);
  t.deepEqual(all([newKey(), ofB], new TestLine(["node-b"])), ["unauthorized", "success"]);
  t.deepEqual(
    all([newKey(), { ...newKey(), moduleId: "QKD-C" }], new TestLine(["node-a", "node-b"])),
    ["success", "success"],
  );
  // The same ID at two modules is two keys.
  const twice = newKey();
  t.deepEqual(all([twice, { ...twice, moduleId: "QKD-C" }], new TestLine("plain")), [
    "success",
    "success",
  ]);
  t.deepEqual(
    store.buffered.map(({ module }) => module),
    ["a", "b", "a", "b", "a", "b"],
  );
  t.like(intake.module("b")?.counts, { keys: 3 });
});

test("a repeat is a success once the first is durable, however often and from wherever", (t) => {
  const { all, intake, store, line } = bench();
  const key = newKey();
  const other = new TestLine();
  line.supply(intake, key);
  line.supply(intake, key);
  intake.flush();
  other.supply(intake, key);
  intake.flush();
  t.deepEqual([...line.said, ...other.said], []);
  store.sync();
  t.deepEqual([...line.said, ...other.said], ["success", "success", "success"]);
  t.deepEqual(all([key, key]), ["success", "success"]);
  t.is(store.entries.size, 1);
  t.like(intake.module("a")?.counts, { keys: 1, repeats: 4, conflicts: 0 });
});

test("another key under an ID is refused, and both are kept out; the first still is a success", (t) => {
  const { all, store, told, intake } = bench();
  const key = newKey();
  const others = [newKey(), newKey(), newKey(16)].map(({ bytes }) => ({ ...key, bytes }));
  t.deepEqual(all([key]), ["success"]);
  for (let round = 0; round < 2; round++) {
    t.deepEqual(all(others), Array(3).fill("duplicate_key_ID"));
    t.deepEqual(all([key]), ["success"]);
  }
  t.is(store.entries.size, 0);
  t.is(told.gone.length, 1);
  t.is(told.conflicts.length, 6);
  t.true(told.conflicts.every((one) => one === idOf(key)));
  t.like(intake.module("a")?.counts, { keys: 1, conflicts: 6 });
});

test("two keys under one ID in one turn: the first is confirmed when durable, then both are kept out", (t) => {
  const { all, store } = bench();
  const key = newKey();
  const other = { ...key, bytes: randomBytes(32) };
  t.deepEqual(all([key, other, key]), ["success", "duplicate_key_ID", "success"]);
  t.is(store.entries.size, 0);
  t.deepEqual(all([key, other]), ["success", "duplicate_key_ID"]);
});

test("a key that a batch has is not kept out, and still known", (t) => {
  const { all, store, told, intake } = bench();
  const key = newKey();
  const other = { ...key, bytes: randomBytes(32) };
  t.deepEqual(all([key]), ["success"]);
  const [buffered] = told.buffered;
  told.busy.add(buffered?.handle as number);
  t.deepEqual(all([other, key, other]), ["duplicate_key_ID", "success", "duplicate_key_ID"]);
  t.is(store.entries.size, 1);
  // Matched: the bytes are gone from here, and what comes under the ID is a repeat.
  store.entries.clear();
  intake.module("a")?.left(Buffer.from(idOf(key), "hex"));
  t.deepEqual(all([key, other]), ["success", "success"]);
  t.is(store.entries.size, 0);
  t.like(intake.module("a")?.counts, { repeatsOfGone: 2 });
});

test("a batch that was given up gives its keys back", (t) => {
  const { all, told, intake } = bench();
  const key = newKey();
  all([key]);
  const module = intake.module("a");
  module?.left(Buffer.from(idOf(key), "hex"));
  t.is(module?.held, 0);
  for (const keys of columnsOf(told.buffered)) module?.returned(keys);
  t.is(module?.held, 1);
  t.deepEqual(all([{ ...key, bytes: randomBytes(32) }]), ["duplicate_key_ID"]);
});

test("a key that leaves the buffer while its repeat is compared is no other key", (t) => {
  const { intake, store, line, told } = bench();
  const key = newKey();
  line.supply(intake, key);
  intake.flush();
  store.sync();
  line.supply(intake, key);
  intake.flush();
  store.entries.clear();
  intake.module("a")?.left(Buffer.from(idOf(key), "hex"));
  store.sync();
  t.deepEqual(line.said, ["success", "success"]);
  t.deepEqual(told.conflicts, []);
});

test("after a restart the buffer is known again, and what has left it as far as it was written down", async (t) => {
  const store = new MemoryKeyStore(undefined);
  const kept: Buffer[] = [];
  const record = {
    append: (digests: Uint8Array) => void kept.push(Buffer.from(digests)),
    settled: (done: () => void) => done(),
  };
  const keys = [newKey(), newKey(), newKey()];
  const before = bench(store, { record });
  before.all(keys);
  const [gone, held, contested] = keys as [Key, Key, Key];
  before.all([{ ...contested, bytes: randomBytes(32) }]);
  store.entries.delete(before.told.buffered[0]?.handle as number);
  const memory = openMemory();
  memory.load(Buffer.concat(kept));
  const { all, intake } = bench(store, { modules: [{ ...moduleA, memory }] });
  await intake.load(columnsOf(store.buffered));
  t.deepEqual(all([gone, held, contested, newKey()]), Array(4).fill("success"));
  t.is(store.entries.size, 2);
  t.deepEqual(all([{ ...held, bytes: randomBytes(32) }]), ["duplicate_key_ID"]);
});

test("matching hears of keys at once, and when it is durable that their IDs were confirmed", (t) => {
  const waiting: (() => void)[] = [];
  const record = { append() {}, settled: (done: () => void) => void waiting.push(done) };
  const { all, told } = bench(new MemoryKeyStore(undefined), { record });
  waiting.splice(0);
  t.deepEqual(all([newKey(), newKey()]), ["success", "success"]);
  t.is(told.buffered.length, 2);
  t.is(told.confirmed, 0);
  for (const done of waiting.splice(0)) done();
  t.is(told.confirmed, 2);
});

test("a full store refuses what is new, and confirms what it has", (t) => {
  const { all, store } = bench();
  const key = newKey();
  t.deepEqual(all([key]), ["success"]);
  store.fullness = "full";
  t.deepEqual(all([key, newKey()]), ["success", "storage_full"]);
  store.fullness = undefined;
  t.deepEqual(all([newKey()]), ["success"]);
});

test("what is in flight is bounded, of one connection and of all", (t) => {
  const { intake, store, line } = bench(new MemoryKeyStore(undefined), {
    inFlightOfLine: { keys: 3, bytes: 1_000 },
    inFlight: { keys: 5, bytes: 1_500 },
  });
  for (let i = 0; i < 5; i++) line.supply(intake, newKey());
  t.deepEqual([...line.said], [undefined, undefined, undefined, "busy", "busy"]);
  const second = new TestLine();
  for (let i = 0; i < 3; i++) second.supply(intake, newKey());
  t.deepEqual([...second.said], [undefined, undefined, "busy"]);
  intake.flush();
  store.sync();
  t.deepEqual(line.said.slice(0, 3), Array(3).fill("success"));
  // By their bytes.
  const third = new TestLine();
  third.supply(intake, newKey(900));
  third.supply(intake, newKey(200));
  t.deepEqual([...third.said], [undefined, "busy"]);
  line.supply(intake, newKey(700));
  t.is(line.said.at(-1), "busy");
  intake.flush();
  store.sync();
  t.deepEqual(intake.inFlight, { keys: 0, bytes: 0 });
  t.is(line.keys, 0);
});

test("keys of less than a byte are confirmed, counted, and not kept", (t) => {
  const { all, store, intake } = bench();
  t.deepEqual(all([{ ...newKey(1), bytes: Buffer.from([0x80]), bits: 1 }]), ["success"]);
  t.deepEqual(all([{ ...newKey(2), bytes: Buffer.from([1, 0x80]), bits: 9 }]), ["success"]);
  t.is(store.entries.size, 1);
  t.like(store.buffered[0], { bits: 9, length: 1 });
  t.like(intake.module("a")?.counts, { tooShort: 1, keys: 1 });
});

test("whatever comes in whatever order: one key under one ID is in the buffer, and each message is answered once", (t) => {
  const random = seeded(9);
  const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)] as T;
  for (let round = 0; round < 60; round++) {
    const store = new MemoryKeyStore(undefined);
    const { intake, told } = openIntake(store);
    const lines = [new TestLine(), new TestLine()];
    const keys = Array.from({ length: 12 }, () => newKey(8));
    const others = new Map(keys.map((key) => [key.id, randomBytes(8)]));
    const sent: { line: TestLine; ticket: number; key: Key; isFirst: boolean }[] = [];
    const first = new Map<string, Buffer>();
    for (let i = 0; i < 120; i++) {
      const key = pick(keys);
      const isOther = random() < 0.15;
      const bytes = isOther ? (others.get(key.id) as Buffer) : key.bytes;
      if (!first.has(key.id)) first.set(key.id, bytes);
      const line = pick(lines);
      const ticket = line.supply(intake, { ...key, bytes });
      sent.push({ line, ticket, key, isFirst: first.get(key.id)?.equals(bytes) === true });
      if (random() < 0.3) intake.flush();
      if (random() < 0.3) store.sync(Math.floor(random() * 4));
    }
    intake.flush();
    store.sync();
    for (const { line, ticket, isFirst } of sent) {
      t.is(line.said[ticket], isFirst ? "success" : "duplicate_key_ID", `round ${round}`);
    }
    const clean = keys.filter(
      ({ id }) => first.has(id) && !sent.some(({ key, isFirst }) => key.id === id && !isFirst),
    );
    const held = store.buffered.map(({ id }) => Buffer.from(id).toString("hex"));
    t.deepEqual(held.sort(), clean.map(idOf).sort());
    t.is(told.buffered.length, first.size);
    t.deepEqual(intake.inFlight, { keys: 0, bytes: 0 });
  }
});

test("what waits under the name that a module had before does not come in a second time under another", (t) => {
  const [key, other] = [newKey(), newKey()];
  const first = bench();
  t.deepEqual(first.all([key]), ["success"]);
  const renamed = { ...moduleA, name: "b", memory: openMemory() };
  const second = bench(first.store, { modules: [renamed] });
  t.deepEqual(second.all([key, other]), ["success", "success"]);
  t.is(second.intake.module("b")?.counts.repeatsOfGone, 1);
  t.is(second.intake.module("b")?.counts.keys, 1);
});
