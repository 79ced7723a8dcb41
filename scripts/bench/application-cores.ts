/**
 * What keys for applications cost the cores of both key managers: a link's two ends in one process, without sockets, disk
 * or applications, each message through its codec, each change of the books packed as for the disk, each step recorded.
 */
import { randomBytes } from "node:crypto";
import { Prepared } from "../../src/km/applications/prepared.ts";
import { booksChange } from "../../src/km/io/engine/books-change.ts";
import { packRows } from "../../src/km/io/engine/packed-rows.ts";
import { KmLink } from "../../src/km/link/link.ts";
import { type KxSession, usualLimits } from "../../src/km/peer/context.ts";
import { encodeRecord } from "../../src/km/records/codec.ts";
import { Notes } from "../../src/km/records/notes.ts";
import type { Change, KeyStore, Row } from "../../src/km/store/port.ts";
import { encodeExtent } from "../../src/km/store/rows.ts";
import { useOf } from "../../src/km/store/sae-set.ts";
import type { Extent } from "../../src/km/store/shapes.ts";
import { decodePayload, encodePayload } from "../../src/wire/kx/codec.ts";
import { command } from "../../src/wire/kx/names.ts";
import type { Benchmark } from "./measure.ts";

const extentBytes = 2_097_152;
const keyBytes = 32;
const requestsAtOnce = 32;
const use = useOf(["app-a", "app-b"]);
const withinMs = 60_000;
/** As a key manager has them unless its configuration says otherwise. */
const preparedKeys = 256;

/** What waits for a later turn. */
class Later {
  #queue: (() => void)[] = [];

  add(fn: () => void): void {
    this.#queue.push(fn);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      // Turns of a link end in a microtask.
      if (this.#queue.length === 0) await new Promise(setImmediate);
      const all = this.#queue;
      this.#queue = [];
      for (const fn of all) {
        fn();
        await null;
      }
      if (all.length === 0) throw new Error("nothing is under way, and not all is answered");
    }
  }
}

/** Half of each extent is each end's. */
function stock(keys: number): Row[] {
  const half = extentBytes / 2;
  const count = Math.ceil((2 * keys * keyBytes) / extentBytes) + 1;
  return Array.from({ length: count }, (_, i) => {
    const extent: Extent = {
      ...{ number: i + 1, length: extentBytes, digest: Buffer.alloc(32), open: true },
      ...{ facts: { modules: ["A", "B"], keys: 64, unit: keyBytes, at: 0 }, used: 0, uses: 0 },
      regions: [
        { start: 0, end: half, version: 0, mark: 0, giving: false },
        { start: half, end: extentBytes, version: 1, mark: half, giving: false },
      ],
    };
    return { kind: "extent", link: "ab", key: String(extent.number), value: encodeExtent(extent) };
  });
}

/** Nothing is read: a tag is the same at both ends. */
function storeOf(later: Later): KeyStore {
  let waiting: { readonly change: Change; readonly done: (() => void) | undefined }[] = [];
  const flush = () => {
    const all = waiting;
    waiting = [];
    const changes = all.map(({ change }) => change);
    const made = booksChange(changes, [], [], []);
    if (made !== undefined) packRows(made.rows);
    for (const { done } of all) done?.();
  };
  const tag = Buffer.alloc(16);
  const store: Partial<KeyStore> = {
    commit(change, done) {
      if (waiting.push({ change, done }) === 1) later.add(flush);
    },
    tagRanges: (_link, _ranges, _key, done) => later.add(() => done(tag)),
    forget: () => {},
    full: () => undefined,
  };
  return store as KeyStore;
}

function coreOf(me: "a" | "b", later: Later, rows: readonly Row[]): KmLink {
  const peer = me === "a" ? "b" : "a";
  const notes = new Notes(new Map(), (record) => void encodeRecord(record));
  const link = { name: "ab", kms: [me, peer], leads: me === "a" } as const;
  return new KmLink(
    {
      ...{ link: "ab", me, peer, limits: usualLimits, takes: "witnessed" },
      ...{ modules: [{ module: "m", ids: ["A", "B"] }], incarnation: randomBytes(16) },
    },
    {
      store: storeOf(later),
      now: () => performance.now(),
      wall: () => Date.now(),
      random: (length) => randomBytes(length),
      soon: queueMicrotask,
      tell: (event) => notes.note(link, event, Date.now()),
      mayBind: () => true,
      left: () => {},
    },
    rows,
    [],
    new Set(rows.map(({ key }) => Number(key))),
  );
}

function sessionTo(other: KmLink, later: Later): KxSession {
  return {
    version: 2,
    tagKey: Buffer.alloc(16),
    send(message) {
      if (message.type.startsWith("sync")) return later.add(() => other.heard(message));
      const payload = encodePayload(message);
      later.add(() => other.heard(decodePayload(command[message.type], payload)));
    },
    close(reason) {
      throw new Error(reason);
    },
  };
}

/** @param number keys of a request @param fetches whether the other application fetches them, witnessed */
async function cost(number: number, keys: number, fetches: boolean): Promise<number> {
  const later = new Later();
  const rows = stock(keys);
  const [a, b] = [coreOf("a", later, rows), coreOf("b", later, rows)];
  a.up(sessionTo(b, later));
  b.up(sessionTo(a, later));
  await later.until(() => a.phase === "ready" && b.phase === "ready");
  const prepared = new Prepared({
    ...{ keys: preparedKeys, length: keyBytes, pickUp: 3_600, deadlineMs: withinMs },
    now: () => performance.now(),
  });
  let [asked, answered] = [0, 0];
  const over = (result: unknown) => {
    if (typeof result === "string") throw new Error(`no key: ${result}`);
    answered += number;
    next();
  };
  const next = () => {
    if (asked >= keys) return;
    asked += number;
    const deadline = performance.now() + withinMs;
    const request = { use, keys: number, length: keyBytes, pickUp: 3_600, deadline };
    a.owner.request(request, (result) => {
      if (typeof result === "string" || !fetches) return over(result);
      const ids = result.map(({ id }) => id);
      const fetch = () => {
        // The word for whom a prepared key is may still be on its way.
        const isHere = ids.every((id) => b.books.uses.get(id)?.request !== undefined);
        if (isHere) b.peer.take(use, ids, deadline, over);
        else later.add(fetch);
      };
      fetch();
    });
    prepared.fill({ core: a });
  };
  const before = process.cpuUsage();
  for (let i = 0; i < requestsAtOnce; i++) next();
  await later.until(() => answered >= keys);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / answered;
}

/** @param keys a second of the round, about */
const after =
  (number: number, keys: number, fetches = false) =>
  async (seconds: number) => {
    await cost(number, keys / 4, fetches);
    return { value: await cost(number, Math.ceil(keys * seconds), fetches) };
  };

export const applicationCoreBenchmarks: readonly Benchmark[] = [
  {
    name: "014 cores of many",
    about: "processor of the cores of both key managers for a key of a request for 128",
    unit: "µs/key",
    subject: after(128, 100_000),
  },
  {
    name: "014 cores of one",
    about: "the same for one key, which is taken from prepared ones",
    unit: "µs/key",
    subject: after(1, 20_000),
  },
  {
    name: "014 cores of pairs",
    about: "the same for one key that is fetched, witnessed",
    unit: "µs/key",
    subject: after(1, 10_000, true),
  },
];
