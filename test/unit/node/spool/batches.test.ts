/** Batches that a driver keeps: on a disk that is cut, exchanged and damaged. */
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { Batches } from "../../../../src/node/spool/batches.ts";
import { Spool } from "../../../../src/node/spool/spool.ts";
import { Disk, systemError } from "../../../faults/disk.ts";
import { random } from "../../../random.ts";

const epoch = "00112233aabbccdd";
const ref = (number: number) => ({ epoch, number });
const open = (files: Disk, fill = 1, maxBytes = 100_000) =>
  Batches.open({ files, folder: "/spool", key: Buffer.alloc(32, fill), maxBytes });

test("what was put is there again, in its order, and can be replaced and removed", async (t) => {
  const disk = new Disk();
  const first = await open(disk);
  for (const number of [5, 3, 9]) {
    await first.put(ref(number), { number }, Buffer.alloc(number, number));
  }
  await first.put(ref(5), { number: 50 }, Buffer.alloc(2, 7));
  await first.remove(ref(3));
  await first.remove(ref(3));
  const again = await open(disk);
  t.deepEqual(again.list(), [ref(5), ref(9)]);
  t.is(again.room, first.room);
  const { facts, key } = (await again.get(ref(5))) ?? {};
  t.deepEqual(facts, { number: 50 });
  t.true(key?.equals(Buffer.alloc(2, 7)));
  t.is(await again.get(ref(3)), undefined);
  await again.put(ref(1), {}, Buffer.alloc(0));
  t.deepEqual((await open(disk)).list(), [ref(5), ref(9), ref(1)]);
});

test("a batch is read with its own key, under its own name, and whole", async (t) => {
  const disk = new Disk();
  const spool = await open(disk);
  await spool.put(ref(1), { a: 1 }, Buffer.alloc(100, 9));
  const corrupt = { instanceOf: Fault, message: /can't be read/ };
  await t.throwsAsync(open(disk, 2), { code: "key.invalid" });
  const files = [...disk.files("/spool")].filter(([name]) => name.endsWith(".batch"));
  const [[path, content] = ["", Buffer.alloc(0)]] = files;
  t.false(content.includes(Buffer.alloc(8, 9)), "the key is not there in the clear");
  disk.put(path.replace("-1.batch", "-2.batch"), Buffer.from(content));
  await t.throwsAsync(async () => (await open(disk)).get(ref(2)), corrupt);
  for (let at = 0; at < content.length; at += 7) {
    const bad = Buffer.from(content);
    bad[at] = (bad[at] as number) ^ 1;
    disk.put(path, bad);
    await t.throwsAsync(async () => (await open(disk)).get(ref(1)), corrupt);
  }
});

test("after a power cut each batch is what it was, or what it became", async (t) => {
  const draw = random(3);
  for (let round = 0; round < 60; round++) {
    let disk = new Disk();
    const spool = await open(disk);
    await spool.put(ref(1), { version: 1 }, Buffer.alloc(40, 1));
    const from = disk.operations + 1 + Math.floor(draw() * 12);
    disk.trouble = (n) => (n >= from ? systemError("EIO") : undefined);
    const done = await spool.put(ref(1), { version: 2 }, Buffer.alloc(50, 2)).then(
      () => true,
      () => false,
    );
    disk = disk.afterPowerCut(draw);
    const kept = await (await open(disk)).get(ref(1));
    const version = (kept?.facts as { readonly version: number } | undefined)?.version;
    t.true(done ? version === 2 : version === 1 || version === 2);
    t.is(kept?.key.length, version === 1 ? 40 : 50);
  }
});

test("a spool of blocks leaves batches alone, and zeroize of either destroys all", async (t) => {
  const disk = new Disk();
  await (await open(disk)).put(ref(1), {}, Buffer.alloc(10));
  const key = Buffer.alloc(32, 1);
  const blocks = await Spool.open({ files: disk, folder: "/spool", key, maxBytes: 1_000 });
  t.is(blocks.length, 0);
  t.is((await open(disk)).list().length, 1);
  await blocks.zeroize();
  t.is(disk.files("/spool").size, 0);
  const batches = await open(disk);
  await batches.put(ref(2), {}, Buffer.alloc(10));
  await batches.zeroize();
  t.deepEqual([batches.list().length, disk.files("/spool").size, batches.room], [0, 0, 100_000]);
});

test("a batch that the disk does not give back is damaged, one that may not be read may be good", async (t) => {
  const disk = new Disk();
  await (await open(disk)).put(ref(1), {}, Buffer.alloc(40, 1));
  const [[file] = [""]] = [...disk.files("/spool")].filter(([name]) => name.endsWith(".batch"));
  const openFile = disk.open.bind(disk);
  for (const [code, what] of [
    ["EIO", "state.corrupt"],
    ["EACCES", "state.io"],
  ] as const) {
    disk.open = (path, flags) =>
      path === file ? Promise.reject(systemError(code)) : openFile(path, flags);
    const batches = await open(disk);
    await t.throwsAsync(batches.get(ref(1)), {
      code: what,
      message: /can't be read|cannot read a file/,
    });
    const error = await batches.get(ref(1)).catch((fault: Fault) => fault);
    t.like(error, { facts: { file, code } });
  }
});
