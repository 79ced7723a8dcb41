import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { type NodeState, openState } from "../../../../src/node/state/state.ts";
import { checkState } from "../../../../src/node/state/state-tool.ts";
import { StateStore } from "../../../../src/node/state/store.ts";
import { Disk, PowerCut } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

const folder = "/state";
const files = [0, 1].map((which) => `${folder}/state.${which}`);

/** What others rely upon: each is acted upon as soon as it is on disk. */
const reliedUpon: Readonly<Record<string, (data: NodeState) => void>> = {
  tamper: (data) => {
    data.panel = { tamper: { at: 1, contacts: [0] } };
  },
  zeroize: (data) => {
    data.panel = { zeroize: { modules: ["alice"], cause: "button" } };
  },
  counters: (data) => {
    data.commands = { mgr: { counter: 9, recent: [{ id: "x", outcome: "done" }] } };
  },
  thresholds: (data) => {
    data.thresholds = { alice: { qber_warning: 0.05 } };
  },
  ledgers: (data) => {
    data.ledgers = ["alice"];
  },
  "what a later version adds": (data) => Object.assign(data, { of_a_later_version: { n: 1 } }),
};

function alarm(
  name: string,
  more: Partial<NonNullable<NodeState["alarms"]>[number]> = {},
): NonNullable<NodeState["alarms"]>[number] {
  const id = `${name}.alice`;
  const flags = { active: true, flapping: false, acknowledged: false };
  const times = { raisedAt: 1, changedAt: 1, count: 1 };
  return { id, name, object: "alice", severity: "critical", ...flags, ...times, ...more };
}

async function opened(disk: Disk): Promise<StateStore> {
  return new StateStore(await openState(disk, folder));
}

/** Number of a generation, from its header. */
function numberOf(disk: Disk, file: string): number {
  return Number(disk.read(file)?.toString().split(" ")[1] ?? -1);
}

/** The newest generation first. */
function byAge(disk: Disk): [string, string] {
  const [a, b] = files as [string, string];
  return numberOf(disk, a) > numberOf(disk, b) ? [a, b] : [b, a];
}

function flip(disk: Disk, file: string): void {
  const bytes = Buffer.from(disk.read(file) as Buffer);
  bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
  disk.put(file, bytes);
}

const losses: Readonly<Record<string, (disk: Disk, file: string) => void>> = {
  "has one bit off": flip,
  "is gone": (disk, file) => disk.put(file, undefined),
  "is empty": (disk, file) => disk.put(file, Buffer.alloc(0)),
};

for (const [name, change] of Object.entries(reliedUpon)) {
  for (const [loss, lose] of Object.entries(losses)) {
    test(`${name}: on disk whichever generation ${loss}`, async (t) => {
      for (const which of [0, 1]) {
        const disk = new Disk();
        const store = await opened(disk);
        await store.change(change);
        // An alarm that is measured: with it the two generations differ.
        await store.change((data) => {
          data.alarms = [alarm("qber_high")];
        });
        const before = structuredClone(store.data) as NodeState;
        lose(disk, byAge(disk)[which] as string);
        const again = (await opened(disk)).data;
        t.true(again.boot > before.boot, "a start is never counted twice");
        const { boot: _b, alarms: _a, ...kept } = before;
        t.like(again, kept);
        t.is(again.lost?.boot, again.boot, "it is known that a generation was lost");
      }
    });
  }
}

test("latched alarms and what was acknowledged are on both generations", async (t) => {
  const disk = new Disk();
  const store = await opened(disk);
  for (const alarms of [
    [alarm("duplicate_key_id")],
    [alarm("duplicate_key_id"), alarm("qber_high", { acknowledged: true })],
    [alarm("zeroized"), alarm("module_fault")],
  ]) {
    await store.change((data) => {
      data.alarms = alarms;
    });
    const copy = new Disk();
    for (const file of files) copy.put(file, disk.read(file));
    flip(copy, byAge(copy)[0]);
    t.deepEqual((await opened(copy)).data.alarms, alarms);
  }
});

test("what is measured anew after a restart costs one write, all else two", async (t) => {
  const disk = new Disk();
  const store = await opened(disk);
  const writes = async (edit: (data: NodeState) => void) => {
    const before = Math.max(...files.map((file) => numberOf(disk, file)));
    await store.change(edit);
    return Math.max(...files.map((file) => numberOf(disk, file))) - before;
  };
  const set = (alarms: NodeState["alarms"]) => (data: NodeState) => {
    data.alarms = alarms;
    data.alarms_to = (data.alarms_to ?? 0) + 1;
  };
  t.is(await writes(set([alarm("qber_high")])), 1);
  t.is(await writes(set([alarm("qber_high", { severity: "warning", count: 2 })])), 1);
  t.is(await writes(set([alarm("qber_high", { acknowledged: true })])), 2);
  t.is(await writes(set([alarm("qber_high", { acknowledged: true, count: 3 })])), 1);
  t.is(await writes(set([alarm("duplicate_key_id")])), 2);
  t.is(await writes(set([alarm("duplicate_key_id", { active: false })])), 1);
  t.is(await writes(set([alarm("duplicate_key_id", { severity: "cleared" })])), 2);
  t.is(await writes(set([])), 1);
  t.is(await writes(reliedUpon.counters as (data: NodeState) => void), 2);
});

test("a change whose second write failed goes to both with the next", async (t) => {
  const disk = new Disk();
  const store = await opened(disk);
  const measured = new Disk();
  const other = await opened(measured);
  const begun = measured.operations;
  await other.change(reliedUpon.tamper as (data: NodeState) => void);
  const total = measured.operations - begun;
  const from = disk.operations;
  disk.trouble = (n) =>
    n === from + total - 2 ? Object.assign(new Error("bad"), { code: "EIO" }) : undefined;
  await t.throwsAsync(store.change(reliedUpon.tamper as (data: NodeState) => void), {
    code: "state.io",
  });
  disk.trouble = () => undefined;
  await store.change((data) => {
    data.alarms = [alarm("qber_high")];
  });
  flip(disk, byAge(disk)[0]);
  t.deepEqual((await opened(disk)).data.panel?.tamper, { at: 1, contacts: [0] });
});

test("a lost generation is known at every start, until it is settled", async (t) => {
  const disk = new Disk();
  await opened(disk);
  const [newest] = byAge(disk);
  flip(disk, newest);
  const report = await checkState(disk, folder);
  t.like(report, { good: true, boot: 1 });
  t.regex(report.problem ?? "", /state\.\d is damaged/);
  const first = (await opened(disk)).data;
  t.deepEqual(first.lost, { boot: first.boot, file: newest.slice(7), why: "damaged" });
  t.truthy(disk.read(`${newest}.damaged`), "what is left of it is kept");
  const second = await opened(disk);
  t.deepEqual(second.data.lost, first.lost);
  await second.change((data) => {
    delete data.lost;
  });
  t.is((await opened(disk)).data.lost, undefined);
});

test("a generation that is older than it must be is a lost one", async (t) => {
  const disk = new Disk();
  await opened(disk);
  const [newest] = byAge(disk);
  const old = disk.read(newest);
  const store = await opened(disk);
  await store.change(reliedUpon.tamper as (data: NodeState) => void);
  t.is(store.data.lost, undefined);
  disk.put(newest, old);
  const again = await opened(disk);
  t.like(again.data.lost, { why: "older than it must be" });
  t.truthy(again.data.panel?.tamper);
});

test("the state of an earlier version opens; of a damaged one no start is counted twice", async (t) => {
  const { createHash } = await import("node:crypto");
  const generation = (number: number, text: string) =>
    Buffer.from(
      `qkd-node-state/1 ${number} ${createHash("sha256").update(text).digest("hex")}\n${text}\n`,
    );
  const disk = new Disk();
  // It wrote each change once: the older generation is behind by what was changed last.
  disk.put(`${folder}/state.1`, generation(5, '{"boot":3}'));
  disk.put(`${folder}/state.0`, generation(6, '{"boot":4}'));
  const good = new Disk();
  for (const file of files) good.put(file, disk.read(file));
  t.is((await opened(good)).data.boot, 5);
  t.is((await opened(good)).data.lost, undefined);
  flip(disk, `${folder}/state.0`);
  t.true((await opened(disk)).data.boot > 4);
});

test("power cut at any operation of a change: no generation is lost, and what was on disk stays", async (t) => {
  const edits = [reliedUpon.tamper, reliedUpon.counters, reliedUpon.thresholds];
  for (let seed = 1; seed <= 20; seed++) {
    for (let at = 1; ; at++) {
      const draw = random(seed * 1_000 + at);
      let disk = new Disk();
      const store = await opened(disk);
      const begun = disk.operations;
      disk.trouble = (n) => (n >= begun + at ? new PowerCut("cut") : undefined);
      let done = 0;
      for (const edit of edits) {
        const failed = await store.change(edit as (data: NodeState) => void).catch((e) => e);
        if (failed !== undefined) break;
        done++;
      }
      const over = done === edits.length;
      disk = disk.afterPowerCut(draw);
      const { data } = await opened(disk);
      t.is(data.boot, 2);
      t.is(data.lost, undefined, `cut at ${at}, seed ${seed}`);
      if (done > 0) t.truthy(data.panel?.tamper);
      if (done > 1) t.is(data.commands?.mgr?.counter, 9);
      if (over) break;
    }
  }
});

test("a state that is gone is missed, whichever module's ledger is beside it", async (t) => {
  for (const file of ["ledger-bob", "ledger-bob.retired.1", "spool-bob", "outbox"]) {
    const disk = new Disk();
    disk.put(`${folder}/${file}`, Buffer.from("x"));
    await t.throwsAsync(opened(disk), { instanceOf: Fault, code: "state.corrupt" }, file);
  }
});

test("one bit off, wherever it is: told, or refused; never an older state in silence", async (t) => {
  const disk = new Disk();
  // Generations whose numbers are a bit apart from each other's neighbours.
  let store = await opened(disk);
  for (let n = 0; n < 2; n++) store = await opened(disk);
  await store.change(reliedUpon.tamper as (data: NodeState) => void);
  for (const name of ["qber_high", "no_key", "key_rate_low"]) {
    await store.change((data) => {
      data.alarms = [alarm(name)];
    });
    const expected = structuredClone(store.data) as NodeState;
    for (const file of files) {
      const whole = disk.read(file) as Buffer;
      for (let bit = 0; bit < 8 * whole.length; bit++) {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        const copy = new Disk();
        for (const one of files) copy.put(one, one === file ? bytes : disk.read(one));
        const found = await opened(copy).catch((error: Fault) => error);
        if (found instanceof Fault) {
          if (!/later version/.test(found.message)) t.fail(`${file} bit ${bit}: ${found.message}`);
          continue;
        }
        const { data } = found;
        const told = data.lost !== undefined;
        const whole_ = JSON.stringify(data.alarms) === JSON.stringify(expected.alarms);
        const good = (told || whole_) && data.boot > expected.boot && data.panel !== undefined;
        if (!good) t.fail(`${file} bit ${bit}: told ${told}, boot ${data.boot}`);
      }
    }
  }
  t.pass();
});
