import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { leftSpools } from "../../../../src/node/spool/left-spools.ts";
import { Spool } from "../../../../src/node/spool/spool.ts";
import { spooled } from "../../../../src/node/spool/spooled.ts";
import { KeyBlock, keyMemory } from "../../../../src/port/key.ts";
import type { ModuleSession, ModuleSink } from "../../../../src/port/module.ts";
import { settle } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { someIdentity } from "../../../rig/identity.ts";

const epoch = "00112233aabbccdd";
const ref = (number: number) => ({ epoch, number });
const block = (number: number) =>
  new KeyBlock({ ref: ref(number), bits: 1_024 }, keyMemory(128).fill(number));
const open = (disk: Disk) =>
  Spool.open({ files: disk, folder: "/spool", key: Buffer.alloc(32, 9), maxBytes: 1_000_000 });
/** But for what says which key it is. */
const names = async (disk: Disk) =>
  (await disk.list("/spool")).filter((name) => name !== "key-check").sort();

async function quiet(): Promise<void> {
  for (let i = 0; i < 60; i++) await settle();
}

/** A session behind a spool, and the sink that its module speaks to. */
async function connected(disk: Disk) {
  const spool = await open(disk);
  let module: ModuleSink | undefined;
  const told: string[] = [];
  const given: KeyBlock[] = [];
  const codes: string[] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const bare: ModuleSession = {
    identity: someIdentity,
    ended: new Promise(() => {}),
    grant: () => {},
    release: () => {},
    discard: () => {},
    read: () => {},
    command: ({ name }) => {
      told.push(name);
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      return answer.promise;
    },
    quality: () => ({}) as ReturnType<ModuleSession["quality"]>,
    close: async () => {},
  };
  const driver = {
    kind: "x",
    where: "x",
    connect: async (sink: ModuleSink) => {
      module = sink;
      return bare;
    },
  };
  const sink: ModuleSink = {
    block: (one) => given.push(one),
    damaged: (_, why) => codes.push(why),
    released: () => {},
    telemetry: () => {},
    absent: () => {},
    event: ({ code, severity }) => codes.push(`${code} ${severity}`),
  };
  const behind = spooled(driver, async () => spool, silentLog);
  const session = await behind.connect(sink, new AbortController().signal);
  return { session, module: module as unknown as ModuleSink, told, given, codes, answers, spool };
}

for (const turns of [0, 1, 2, 3, 5, 8, 13, 21]) {
  test(`a block that is written when zeroize begins, ${turns} turns before, does not survive it`, async (t) => {
    const disk = new Disk();
    const { session, module, given, codes, answers } = await connected(disk);
    session.grant(10, 10_000);
    const sent = [block(1), block(2), block(3)];
    for (const one of sent) module.block(one);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    const zeroized = session.command({ name: "zeroize" });
    const before = given.length;
    const late = block(4);
    module.block(late);
    t.true(late.wiped, "what was on the line is wiped as it arrives");
    await quiet();
    t.deepEqual(await names(disk), [], "before the answer");
    answers[0]?.resolve();
    await zeroized;
    t.deepEqual(await names(disk), []);
    t.is(given.length, before, "nothing is handed on any more");
    t.true(sent.every((one) => one.wiped || given.includes(one)));
    t.deepEqual(codes, []);
    module.block(block(5));
    await quiet();
    t.deepEqual(
      given.slice(before).map((one) => one.ref.number),
      [5],
      "what comes afterwards is new",
    );
  });

  test(`a block that is read when zeroize begins, ${turns} turns before, is not handed on`, async (t) => {
    const disk = new Disk();
    const first = await open(disk);
    for (const number of [1, 2, 3]) await first.store(block(number), someIdentity.moduleId);
    const { session, given, codes, answers } = await connected(disk);
    session.grant(10, 10_000);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    const zeroized = session.command({ name: "zeroize" });
    const before = given.length;
    answers[0]?.resolve();
    await zeroized;
    await quiet();
    t.is(given.length, before);
    t.deepEqual(codes, []);
    t.deepEqual(await names(disk), []);
  });
}

test("a refused zeroize empties the spool all the same, and says why it failed", async (t) => {
  const disk = new Disk();
  const { session, module, answers } = await connected(disk);
  session.grant(10, 10_000);
  module.block(block(1));
  await quiet();
  const zeroized = session.command({ name: "zeroize" });
  answers[0]?.reject(new Fault("module.command", "module answered: failed"));
  await t.throwsAsync(zeroized, { instanceOf: Fault, message: "module answered: failed" });
  t.deepEqual(await names(disk), []);
});

test("an emptied spool has no file, no half-written file, and no salt to derive a key from", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  for (const number of [1, 2]) await spool.store(block(number), "QKD-A");
  // A write that a kill has cut, and what is none of the spool's.
  const [name] = await names(disk);
  const whole = disk.read(`/spool/${name}`) as Buffer;
  disk.put(`/spool/000000000009-${epoch}-9.new`, whole.subarray(0, 60));
  disk.put("/spool/lost+found", Buffer.from("x"));
  const salt = Buffer.from(whole.subarray(8, 40));
  const contents: Buffer[] = [];
  const remove = disk.remove.bind(disk);
  disk.remove = (path) => {
    if (!path.endsWith("key-check")) contents.push(disk.read(path) as Buffer);
    return remove(path);
  };
  await spool.zeroize();
  t.deepEqual(await names(disk), ["lost+found"]);
  t.is(contents.length, 3);
  t.false(contents.some((content) => content.includes(salt)));
  t.is(spool.room, 1_000_000);
});

test("a file that cannot be removed does not spare the others", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  for (const number of [1, 2, 3]) await spool.store(block(number), "QKD-A");
  const remove = disk.remove.bind(disk);
  disk.remove = (path) =>
    path.endsWith("-2") ? Promise.reject(systemError("EPERM")) : remove(path);
  await t.throwsAsync(spool.zeroize(), { instanceOf: Fault, message: /cannot empty the spool/ });
  t.deepEqual(await names(disk), [`000000000002-${epoch}-2`]);
  disk.remove = remove;
  await spool.zeroize();
  t.is(spool.length, 0);
  t.deepEqual(await names(disk), []);
});

test("a write that fails leaves no part of it behind", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  // Removing what may be there, then opening: the write itself is the third operation.
  const third = disk.operations + 3;
  disk.trouble = (n) => (n === third ? systemError("ENOSPC") : undefined);
  await t.throwsAsync(spool.store(block(1), "QKD-A"), { instanceOf: Fault });
  t.deepEqual(await names(disk), []);
});

test("spools that no module has any more are found, and destroyed without their key", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-spools-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = (name: string) =>
    Spool.open({
      files: diskFiles,
      folder: `${folder}/${name}`,
      key: Buffer.alloc(32, 9),
      maxBytes: 1_000_000,
    });
  const [left, used] = [await at("spool-old"), await at("spool-new")];
  for (const spool of [left, used]) await spool.store(block(1), someIdentity.moduleId);
  await at("spool-empty");
  writeFileSync(join(folder, "spool-file"), "");
  const emptied: string[] = [];
  const found = await leftSpools(diskFiles, folder, [{ name: "new", spool: {} }], (module) =>
    emptied.push(module),
  );
  t.deepEqual(
    found.map(({ name, module, blocks }) => ({ name, module, blocks })),
    [{ name: "spool-old", module: "old", blocks: 1 }],
  );
  await found[0]?.command();
  t.deepEqual(emptied, ["old"]);
  t.deepEqual(await diskFiles.list(`${folder}/spool-old`), []);
  t.is((await diskFiles.list(`${folder}/spool-new`)).length, 2);
  t.deepEqual(await leftSpools(diskFiles, join(folder, "none"), []), []);
});
