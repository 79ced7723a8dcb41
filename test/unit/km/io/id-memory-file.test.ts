import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { DurableText } from "../../../../src/host/disk/durable.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import {
  digestsOfOthers,
  type OpenIdFile,
  openIdFile,
} from "../../../../src/km/io/id-memory-file.ts";
import { rounds } from "../../../campaign-scale.ts";
import { eventually } from "../../../eventually.ts";
import { Disk } from "../../../faults/disk.ts";
import { random as seeded } from "../../../random.ts";

const keyCheck = Buffer.from("12345678");

const open = (files: Disk, more: { most?: number; keyCheck?: Buffer; failed?: Fault[] } = {}) =>
  openIdFile({
    files,
    folder: "/km",
    name: "a.ids",
    keyCheck,
    most: 20,
    onFailure: (fault) => more.failed?.push(fault),
    ...more,
  });

function digests(from: number, count: number): Buffer {
  const all = Buffer.alloc(count * 8);
  for (let i = 0; i < count; i++) all.writeUInt32LE(from + i, i * 8);
  return all;
}

const numbers = (all: Buffer) =>
  Array.from({ length: all.length / 8 }, (_, i) => all.readUInt32LE(i * 8));
const settled = (file: OpenIdFile) => new Promise<void>((resolve) => file.settled(resolve));

test("what was settled is there again, in its order, over any number of starts", async (t) => {
  const disk = new Disk();
  let next = 1;
  for (let life = 0; life < 5; life++) {
    const file = await open(disk);
    const found = numbers(file.digests);
    t.deepEqual(found.slice(-20), Array.from({ length: next - 1 }, (_, i) => i + 1).slice(-20));
    for (let i = 0; i < 7; i++) {
      file.append(digests(next, 3));
      next += 3;
      if (i % 2 === 0) await settled(file);
    }
    await file.close();
  }
});

test("the files stay small: two, of little more than what is to be remembered", async (t) => {
  const disk = new Disk();
  const file = await open(disk);
  for (let i = 0; i < 300; i++) {
    file.append(digests(i, 1));
    await settled(file);
  }
  await file.close();
  t.deepEqual((await disk.list("/km")).sort(), ["a.ids.0", "a.ids.1"]);
  for (const name of ["/km/a.ids.0", "/km/a.ids.1"]) t.true((disk.read(name)?.length ?? 0) < 500);
});

test("callbacks come in their order, after what was appended before them, and never at once", async (t) => {
  const file = await open(new Disk());
  const told: number[] = [];
  file.settled(() => told.push(0));
  t.deepEqual(told, []);
  for (let i = 1; i < 6; i++) {
    file.append(digests(i, 1));
    file.settled(() => told.push(i));
  }
  await settled(file);
  t.deepEqual(told, [0, 1, 2, 3, 4, 5]);
  await file.close();
});

test("in a power cut nothing that was settled is lost, and nothing else is made up", async (t) => {
  for (let seed = 0; seed < rounds(600); seed++) {
    const random = seeded(seed);
    let disk = new Disk();
    let sure = 0;
    let next = 1;
    for (let life = 0; life < 4; life++) {
      disk.trouble = () => undefined;
      const file = await open(disk);
      const found = numbers(file.digests);
      const last = found.at(-1) ?? 0;
      t.true(last >= sure && last < next, `seed ${seed}`);
      const all = Array.from({ length: last }, (_, i) => i + 1);
      t.deepEqual(found.slice(-20), all.slice(-20), `seed ${seed}`);
      // What was not settled may be there or not: a node would repeat it, with a number of its own.
      next = last + 1;
      sure = last;
      const cutAt = disk.operations + 1 + Math.floor(random() * 40);
      const cut = Promise.withResolvers<void>();
      disk.trouble = (n) => {
        if (n < cutAt) return undefined;
        cut.resolve();
        return new Error("power");
      };
      for (let i = 0; i < 30; i++) {
        const count = 1 + Math.floor(random() * 9);
        file.append(digests(next, count));
        next += count;
        const upTo = next - 1;
        const done = settled(file).then(() => {
          sure = upTo;
        });
        if (random() < 0.7) await Promise.race([done, cut.promise]);
      }
      await cut.promise;
      disk = disk.afterPowerCut(random);
    }
  }
});

test("a disk that fails is told, once, and nothing is settled after that", async (t) => {
  const disk = new Disk();
  const failed: Fault[] = [];
  const file = await open(disk, { failed });
  disk.failFrom(disk.operations + 1, "ENOSPC");
  let settledAfter = false;
  file.append(digests(1, 1));
  file.settled(() => {
    settledAfter = true;
  });
  await eventually("failures", () => failed.length, { atLeast: 1 });
  file.settled(() => {
    settledAfter = true;
  });
  await file.close();
  t.false(settledAfter);
  t.is(failed.length, 1);
  t.is(failed[0]?.code, "km_store.io");
  t.is(failed[0]?.facts.code, "ENOSPC");
});

test("IDs of another store's key are not taken for those of this one", async (t) => {
  const disk = new Disk();
  await (await open(disk)).close();
  const error = await t.throwsAsync(() => open(disk, { keyCheck: Buffer.from("87654321") }));
  t.is((error as Fault).code, "km_store.corrupt");
});

test("what was remembered under a name that is gone is found, and of those that are there nothing", async (t) => {
  const disk = new Disk();
  const options = { files: disk, folder: "/km", keyCheck, most: 20, onFailure() {} };
  for (const [i, name] of ["before", "now", "x.1"].entries()) {
    const file = await openIdFile({ ...options, name });
    file.append(digests(10 * i + 1, 3));
    await settled(file);
    await file.close();
  }
  const found = await digestsOfOthers(options, new Set(["now", "never"]));
  t.deepEqual([...found.values()].map(numbers).toSorted(), [
    [1, 2, 3],
    [21, 22, 23],
  ]);
});

test("of two files the one that cannot be read is named", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-ids-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const file of ["a.ids.1", "state.1"]) await mkdir(join(folder, file));
  const options = { files: diskFiles, folder, name: "a.ids", keyCheck, most: 20 };
  const ids = await t.throwsAsync(openIdFile({ ...options, onFailure: () => {} }));
  t.like(ids, { code: "km_store.io", facts: { file: join(folder, "a.ids.1") } });
  // Of the small state the other generation counts, if there is one.
  const state = await t.throwsAsync(
    new DurableText(diskFiles, folder, "state", () => undefined).read(),
  );
  t.like(state, { code: "state.io", facts: { file: join(folder, "state.1") } });
});
