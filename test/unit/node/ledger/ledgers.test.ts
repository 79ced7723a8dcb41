import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles, type FileSystem } from "../../../../src/host/disk/files.ts";
import { ledgerPath, spoolPath } from "../../../../src/node/ledger/ledger-folder.ts";
import {
  adoptLedger,
  type LedgersOptions,
  openLedger,
  orphanedLedgers,
  retireLedger,
} from "../../../../src/node/ledger/ledgers.ts";
import { openState } from "../../../../src/node/state/state.ts";
import { StateStore } from "../../../../src/node/state/store.ts";
import { Disk, PowerCut } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

const ref = { epoch: "00112233aabbccdd", number: 3 };
const block = "00112233aabbccdd/3";

async function start(
  files: FileSystem,
  folder: string,
  modules?: readonly string[],
): Promise<LedgersOptions> {
  const state = new StateStore(await openState(files, folder));
  // Little room behind the records: all of it is looked through at each start.
  const options = { reserveBytes: 4_096 };
  return { files, folder, state, options, ...(modules && { modules }) };
}

/** Opens a module's ledger and closes it. @returns whether the block is withheld in it */
async function look(recording: LedgersOptions, module: string): Promise<boolean> {
  const ledger = await openLedger(recording, module, silentLog);
  const withheld = ledger.get(block)?.state === "withheld";
  await ledger.close();
  return withheld;
}

/** Withholds the block in a module's ledger. */
async function withhold(recording: LedgersOptions, module: string): Promise<void> {
  const ledger = await openLedger(recording, module, silentLog);
  ledger.append({ kind: "withheld", ref });
  await new Promise<void>((resolve) => ledger.whenDurable(resolve));
  await ledger.close();
}

/** A node that served these modules, each with something in its ledger. */
async function served(modules: readonly string[]): Promise<Disk> {
  const disk = new Disk();
  const recording = await start(disk, "/s", modules);
  for (const module of modules) await withhold(recording, module);
  return disk;
}

const orphaned = { instanceOf: Fault, code: "ledger.orphaned" } as const;

test("a module that is renamed goes on with its ledger, and that is told", async (t) => {
  const disk = await served(["alice"]);
  const recording = await start(disk, "/s", ["alice-1"]);
  t.true(await look(recording, "alice-1"));
  t.deepEqual(recording.state.data.ledgers, ["alice-1"]);
  t.deepEqual(recording.state.data.ledger_acts, [
    { what: "adopted", from: "alice", to: "alice-1", by: "node" },
  ]);
  t.is(disk.read(ledgerPath("/s", "alice")), undefined);
  t.deepEqual(await orphanedLedgers(recording), []);
  t.true(await look(await start(disk, "/s", ["alice"]), "alice"), "and back");
});

test("without a list the module that is opened is the one that is configured", async (t) => {
  const disk = await served(["alice"]);
  const recording = await start(disk, "/s");
  t.true(await look(recording, "alice-1"));
  // A ledger that was opened since the start is not without a module.
  t.false(await look(recording, "bob"));
  t.deepEqual(recording.state.data.ledgers, ["alice-1", "bob"]);
});

test("one of several modules that is renamed goes on with its ledger", async (t) => {
  const disk = await served(["alice", "bob"]);
  const recording = await start(disk, "/s", ["carol", "bob"]);
  t.true(await look(recording, "carol"));
  t.true(await look(recording, "bob"));
});

test("where it is not certain whose a ledger is, new modules are closed and the others go on", async (t) => {
  for (const [before, now, closed] of [
    [["alice", "bob"], ["carol"], ["carol"]],
    [["alice"], ["carol", "dave"], ["carol", "dave"]],
    [
      ["alice", "bob", "eve"],
      ["carol", "dave", "eve"],
      ["carol", "dave"],
    ],
  ] as const) {
    const disk = await served(before);
    const recording = await start(disk, "/s", now);
    for (const name of now) {
      if (!(closed as readonly string[]).includes(name)) {
        t.true(await look(recording, name));
        continue;
      }
      const error = await t.throwsAsync(look(recording, name), orphaned);
      for (const word of ["alice", `ledger adopt`, "ledger retire"]) {
        t.true(JSON.stringify([error?.message, error?.facts]).includes(word), word);
      }
      t.is(disk.read(ledgerPath("/s", name)), undefined);
    }
    t.deepEqual(
      await orphanedLedgers(recording),
      before.filter((name) => !(now as readonly string[]).includes(name)),
    );
  }
});

test("a module that is taken out leaves a ledger that is told of, and finds it when it is back", async (t) => {
  const disk = await served(["alice", "bob"]);
  const recording = await start(disk, "/s", ["bob"]);
  t.true(await look(recording, "bob"));
  t.deepEqual(await orphanedLedgers(recording), ["alice"]);
  const again = await start(disk, "/s", ["bob", "alice"]);
  t.true(await look(again, "alice"));
  t.deepEqual(await orphanedLedgers(again), []);
});

test("a ledger that the state does not list is neither opened as new nor passed over", async (t) => {
  const disk = await served(["alice"]);
  const bare = new Disk();
  await start(bare, "/s");
  bare.put(ledgerPath("/s", "alice"), disk.read(ledgerPath("/s", "alice")));
  for (const modules of [["alice"], ["bob"]]) {
    const recording = await start(bare, "/s", modules);
    await t.throwsAsync(look(recording, modules[0] as string), orphaned);
    t.deepEqual(await orphanedLedgers(recording), modules[0] === "bob" ? ["alice"] : []);
  }
  const recording = await start(bare, "/s", ["alice"]);
  await adoptLedger(recording, "alice", "alice", "operator");
  t.true(await look(recording, "alice"));
});

test("a first start that was cut between ledger and state goes on", async (t) => {
  const disk = new Disk();
  const recording = await start(disk, "/s", ["alice"]);
  const begun = disk.operations;
  await look(recording, "alice");
  const total = disk.operations - begun;
  for (let at = 1; at <= total; at++) {
    const cut = new Disk();
    const first = await start(cut, "/s", ["alice"]);
    const from = cut.operations;
    cut.trouble = (n) => (n >= from + at ? new PowerCut("cut") : undefined);
    await look(first, "alice").catch(() => {});
    const after = cut.afterPowerCut(random(at));
    t.false(await look(await start(after, "/s", ["alice"]), "alice"), `cut at ${at}`);
  }
});

test("power cut at any operation of an adoption: the next start has the ledger, once", async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    for (let at = 1; ; at++) {
      const disk = await served(["alice", "bob"]);
      const recording = await start(disk, "/s", ["alice-1", "bob"]);
      const from = disk.operations;
      disk.trouble = (n) => (n >= from + at ? new PowerCut("cut") : undefined);
      const done = await look(recording, "alice-1").catch(() => undefined);
      const after = disk.afterPowerCut(random(seed * 1_000 + at));
      // The name is changed back and forth meanwhile, as a person in doubt would.
      for (const name of seed % 2 === 0 ? ["alice-1"] : ["alice", "alice-2", "alice-1"]) {
        const next = await start(after, "/s", [name, "bob"]);
        t.true(await look(next, name), `cut at ${at}, seed ${seed}, then ${name}`);
        t.true(await look(next, "bob"));
        t.deepEqual([...(next.state.data.ledgers ?? [])].sort(), [name, "bob"].sort());
        t.is(next.state.data.adopting, undefined);
      }
      const files = (await after.list("/s")).filter((name) => /^ledger-/.test(name));
      t.deepEqual(files.sort(), ["ledger-alice-1", "ledger-bob"]);
      if (done === true) break;
    }
  }
});

/** The real disk, up to its nth operation: a node that is killed there. */
function killed(after: number): { files: FileSystem; used: () => number } {
  let operations = 0;
  const count = async <T>(act: () => Promise<T>): Promise<T> => {
    if (++operations > after) throw Object.assign(new Error("killed"), { code: "EIO" });
    return act();
  };
  const files: FileSystem = {
    open: (path, flags, mode) => count(() => diskFiles.open(path, flags, mode)),
    rename: (from, to) => count(() => diskFiles.rename(from, to)),
    remove: (path) => count(() => diskFiles.remove(path)),
    list: (path) => count(() => diskFiles.list(path)),
    makeFolder: (path) => count(() => diskFiles.makeFolder(path)),
    syncFolder: (path) => count(() => diskFiles.syncFolder(path)),
  };
  return { files, used: () => operations };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-ledgers-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the spool goes with its module, wherever the node is killed in between", async (t) => {
  for (let at = 0; ; at++) {
    let done = false;
    await withFolder(async (folder) => {
      await withhold(await start(diskFiles, folder, ["alice"]), "alice");
      mkdirSync(spoolPath(folder, "alice"));
      writeFileSync(join(spoolPath(folder, "alice"), "block"), "noise");
      const { files } = killed(at);
      done = await start(files, folder, ["bob"])
        .then((recording) => look(recording, "bob"))
        .catch(() => false);
      const recording = await start(diskFiles, folder, ["bob"]);
      t.true(await look(recording, "bob"), `killed at ${at}`);
      t.is(readFileSync(join(spoolPath(folder, "bob"), "block"), "utf8"), "noise");
      t.false(existsSync(spoolPath(folder, "alice")));
    });
    if (done) break;
  }
});

test("an operator says which ledger is whose", async (t) => {
  const disk = await served(["alice", "bob"]);
  const recording = await start(disk, "/s", ["carol", "dave"]);
  const no = { instanceOf: Fault, code: "ledger.orphaned" } as const;
  await t.throwsAsync(adoptLedger(recording, "nobody", "carol", "operator"), no);
  await t.throwsAsync(adoptLedger(recording, "alice", "nobody", "operator"), no);
  await adoptLedger(recording, "bob", "carol", "operator");
  await t.throwsAsync(adoptLedger(recording, "alice", "carol", "operator"), no, "it has one");
  t.is(await retireLedger(recording, "alice", false), ledgerPath("/s", "alice.retired.1"));
  await t.throwsAsync(retireLedger(recording, "alice", false), no, "there is none any more");
  const next = await start(disk, "/s", ["carol", "dave"]);
  t.true(await look(next, "carol"));
  t.false(await look(next, "dave"), "made anew");
  t.deepEqual(await orphanedLedgers(next), []);
  t.deepEqual(next.state.data.ledger_acts, [
    { what: "adopted", from: "bob", to: "carol", by: "operator" },
    { what: "retired", from: "alice", to: "alice.retired.1", by: "operator" },
  ]);
});

test("a wrong adoption can be undone", async (t) => {
  const disk = await served(["alice"]);
  t.true(await look(await start(disk, "/s", ["carol"]), "carol"), "a new module, not a new name");
  const tool = await start(disk, "/s", ["carol"]);
  await t.throwsAsync(retireLedger(tool, "carol", false), { message: /--trust/ });
  await retireLedger(tool, "carol", true);
  const next = await start(disk, "/s", ["carol"]);
  t.false(await look(next, "carol"));
  const later = await start(disk, "/s", ["carol", "alice"]);
  await adoptLedger(later, "carol.retired.1", "alice", "operator");
  t.true(await look(later, "alice"));
  t.false(await look(later, "carol"));
});

test("power cut at any operation of a retirement: the ledger is kept, and not taken for a new one", async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    for (let at = 1; ; at++) {
      const disk = await served(["alice"]);
      const tool = await start(disk, "/s", ["bob", "carol"]);
      const from = disk.operations;
      disk.trouble = (n) => (n >= from + at ? new PowerCut("cut") : undefined);
      const done = await retireLedger(tool, "alice", false).then(
        () => true,
        () => false,
      );
      const after = disk.afterPowerCut(random(seed * 1_000 + at));
      const next = await start(after, "/s", ["bob", "carol"]);
      const left = await orphanedLedgers(next);
      if (left.length > 0) {
        await t.throwsAsync(look(next, "bob"), orphaned);
        await retireLedger(next, "alice", false);
      }
      t.false(await look(next, "bob"), `cut at ${at}`);
      const names = (await after.list("/s")).filter((name) => name.startsWith("ledger-alice"));
      t.is(names.length, 1);
      if (done) break;
    }
  }
});

test("both a module's old ledger and one under its new name: nothing is chosen", async (t) => {
  // An earlier version was started in the midst of an adoption, and made a ledger of its own.
  const disk = await served(["alice", "bob"]);
  const recording = await start(disk, "/s", ["alice-1", "bob"]);
  await recording.state.change((data) => {
    data.adopting = { from: "alice", to: "alice-1", by: "node" };
  });
  disk.put(ledgerPath("/s", "alice-1"), disk.read(ledgerPath("/s", "bob")));
  const next = await start(disk, "/s", ["alice-1", "bob"]);
  t.true(await look(next, "bob"));
  await t.throwsAsync(look(next, "alice-1"), orphaned);
  await retireLedger(next, "alice-1", true);
  t.true(await look(await start(disk, "/s", ["alice-1", "bob"]), "alice-1"));
});

test("files beside the ledgers are not ledgers", async (t) => {
  await withFolder(async (folder) => {
    const recording = await start(diskFiles, folder, ["alice"]);
    await withhold(recording, "alice");
    for (const name of ["alice.damaged.1", "bob.retired.2", "alice.new"]) {
      writeFileSync(ledgerPath(folder, name), readFileSync(ledgerPath(folder, "alice")));
    }
    t.deepEqual(await orphanedLedgers(recording), []);
    t.true(readdirSync(folder).length > 4);
  });
});
