/** A leader with a KME that answers as a test says, on a disk in memory and in virtual time. */
import test from "ava";
import { Books } from "../../../../drivers/etsi014/books.ts";
import { Caution } from "../../../../drivers/etsi014/caution.ts";
import { Follower } from "../../../../drivers/etsi014/follower.ts";
import type { Asked, KmeStatus } from "../../../../drivers/etsi014/kme.ts";
import { Leader } from "../../../../drivers/etsi014/leader.ts";
import type { Message } from "../../../../drivers/etsi014/messages.ts";
import { Shelf } from "../../../../drivers/etsi014/shelf.ts";
import { type Rows, Troubles, watched } from "../../../../drivers/etsi014/watch.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Batches } from "../../../../src/node/spool/batches.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk } from "../../../faults/disk.ts";

const key = (n: number, bytes = 32) => ({
  id: `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`,
  bytes: Buffer.alloc(bytes, n),
});
const status: KmeStatus = {
  stored: 1_000,
  maxPerRequest: 128,
  keySize: 256,
  minKeySize: 64,
  maxKeySize: 1_024,
};
const sink = {
  block: () => {},
  damaged: () => {},
  released: () => {},
  telemetry: () => {},
  absent: () => {},
  event: () => {},
};

class Bench {
  readonly clock = new ManualClock();
  /** Uniform in [0, 1). */
  drawn = 0;
  readonly caution = new Caution(this.clock, () => this.drawn);
  readonly disk = new Disk();
  readonly books = new Books(this.clock, 0.01);
  readonly sent: Message[] = [];
  readonly steps: (string | undefined)[] = [];
  /** How many keys each request was for, and when. */
  readonly asked: { readonly number: number; readonly at: number }[] = [];
  answer: (number: number) => Asked = () => ({ kind: "later" });

  async parts() {
    const { clock, books } = this;
    const shelf = new Shelf(
      await Batches.open({
        files: this.disk,
        folder: "/spool",
        key: Buffer.alloc(32, 1),
        maxBytes: 10_000_000,
      }),
      sink,
      clock,
    );
    await shelf.load();
    const take = async (number: number) => {
      this.asked.push({ number, at: clock.now() });
      return this.answer(number);
    };
    const fetch = async (ids: readonly string[]): Promise<Asked> => ({
      kind: "keys",
      keys: ids.slice(1).map((id) => ({ id, bytes: Buffer.alloc(32, 1) })),
    });
    return {
      shelf,
      kme: { status: async () => status, take, fetch },
      clock,
      log: silentLog,
      books,
      outOfStep: (why: string | undefined) => void this.steps.push(why),
      fail: (error: unknown) => {
        throw error;
      },
    };
  }

  /** A leader whose follower has room. */
  async lead(keyBits?: number): Promise<Leader> {
    const parts = await this.parts();
    const leader = new Leader(parts, {
      batch: 128,
      keyBits,
      gather: 50,
      random: () => 1,
      qber: () => undefined,
      dry: () => {},
      caution: this.caution,
    });
    leader.began();
    leader.met({ send: (message) => this.sent.push(message), close: () => {} }, undefined);
    leader.hear({ type: "alive", room: 10_000 });
    parts.shelf.grant(1_000, 10_000_000);
    leader.stock(status);
    await this.clock.advance(100);
    return leader;
  }
}

test("keys of another length than was asked for are refused, and counted", async (t) => {
  const bench = new Bench();
  let made = 0;
  bench.answer = () => ({ kind: "keys", keys: [key(++made, 1), key(++made), key(++made, 36)] });
  await bench.lead(256);
  t.deepEqual(
    bench.sent.flatMap((one) => (one.type === "take" ? one.keys.map(({ bits }) => bits) : [])),
    [256, 256, 256, 256],
  );
  t.is(bench.books.counts.refused, 8);
});

test("leaders that one KME left without an answer do not come back together", async (t) => {
  const whens: number[] = [];
  for (const drawn of [0, 0.5]) {
    const bench = new Bench();
    bench.drawn = drawn;
    bench.answer = () => ({ kind: "unanswered" });
    const leader = await bench.lead();
    await bench.clock.advance(10_000);
    whens.push((bench.asked[2]?.at ?? 0) - (bench.asked[1]?.at ?? 0));
    await leader.close();
  }
  t.deepEqual(whens, [2_000, 1_500]);
});

test("a KME that does not answer for keys is asked for one, ever later, also by the next session", async (t) => {
  const bench = new Bench();
  bench.answer = () => ({ kind: "unanswered" });
  const leader = await bench.lead();
  await bench.clock.advance(200_000);
  t.deepEqual(
    bench.asked.map(({ number }) => number),
    [128, ...Array.from({ length: bench.asked.length - 1 }, () => 1)],
  );
  const waits = bench.asked.slice(1).map(({ at }, i) => at - (bench.asked[i]?.at ?? 0));
  t.deepEqual(
    waits.map((ms) => Math.floor(ms / 1_000)),
    [1, 2, 4, 8, 16, 32, 60, 60],
  );
  t.is(bench.books.counts.unanswered, 128 + bench.asked.length - 1);
  await leader.close();

  bench.asked.length = 0;
  await bench.lead();
  t.deepEqual(bench.asked, [], "another session begins where this one was");
  let made = 0;
  bench.answer = (number) => ({
    kind: "keys",
    keys: Array.from({ length: number }, () => key(++made)),
  });
  await bench.clock.advance(60_000);
  t.deepEqual(
    bench.asked.slice(0, 2).map(({ number }) => number),
    [1, 128],
  );
});

test("what one role left on the disk is no matter of the other, which says so", async (t) => {
  const bench = new Bench();
  bench.answer = () => ({ kind: "keys", keys: [key(1), key(2)] });
  const leader = await bench.lead();
  await leader.close();
  const parts = await bench.parts();
  const fault = t.throws(() => new Follower(parts, { patience: 1, keySize: () => 256 }).began(), {
    code: "module.role",
  });
  t.like(fault, { facts: { keys: 2 } });
  t.regex(String(fault?.message), /put it back at both ends until they are supplied, or zeroize/);

  const other = new Bench();
  const line = { send: (message: Message) => other.sent.push(message), close: () => {} };
  const follower = new Follower(await other.parts(), { patience: 60_000, keySize: () => 256 });
  follower.began();
  follower.met(line);
  const first = { epoch: "00112233aabbccdd", number: 0 };
  const keys = [1, 2, 3].map((n) => ({ id: key(n).id, bits: 256 }));
  follower.hear({ type: "take", first, oldest: first, at: 1, keys });
  await other.clock.advance(1_000);
  await follower.close();
  await t.throwsAsync(other.lead(), { code: "module.role" });
});

test("the follower's room is that of keys as long as the leader's", async (t) => {
  const rooms = async (keySize: number) => {
    const bench = new Bench();
    const follower = new Follower(await bench.parts(), { patience: 1, keySize: () => keySize });
    follower.met({ send: (message) => bench.sent.push(message), close: () => {} });
    return bench.sent.flatMap((one) => (one.type === "alive" ? [one.room] : []));
  };
  t.deepEqual(await rooms(256), [19_531]);
  t.deepEqual(await rooms(65_536), [603]);
});

test("a KME that is slow with keys alone is slow, and one that does not answer too", async (t) => {
  const clock = new ManualClock();
  const troubles = new Troubles();
  const told: string[] = [];
  troubles.tell = ({ code, severity, text }) => void told.push(`${code} ${severity} ${text}`);
  let asked: Asked = { kind: "later" };
  const wait = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  const rows: Rows = new Map();
  const kme = watched(
    {
      status: async () => status,
      take: async () => {
        await wait(asked.kind === "later" ? 3_000 : 1);
        return asked;
      },
      fetch: async () => ({ kind: "unknown" }),
    },
    { clock, troubles, rows, slow: 2_000 },
  );
  const round = async () => {
    for (let i = 0; i < 3; i++) {
      await kme.status();
      const taken = kme.take(1);
      await clock.advance(3_000);
      await taken;
    }
  };
  await round();
  t.deepEqual(told.splice(0), [
    "kme_slow warning the KME takes longer than 2000 ms for an answer to enc_keys",
  ]);
  asked = { kind: "keys", keys: [] };
  await round();
  t.deepEqual(told.splice(0), ["kme_slow cleared over"]);
  asked = { kind: "unanswered" };
  await round();
  t.is(told.splice(0).length, 1);
  asked = { kind: "keys", keys: [] };
  await round();
  t.deepEqual(told.splice(0), ["kme_slow cleared over"]);
  // The third ends the session.
  const away = () => Promise.reject(new Fault("link.closed", "the KME is away"));
  for (let i = 0; i < 3; i++) {
    const next = watched({ ...kme, take: away }, { clock, troubles, rows, slow: 2_000 });
    await t.throwsAsync(next.take(1));
  }
  t.is(told.length, 1);
});
