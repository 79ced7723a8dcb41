import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { checkStore, isWhole } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { allIn, putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);

async function newFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-next-"));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

function open(t: ExecutionContext, folder: string) {
  return openEngine({
    folder,
    masterKey,
    limitBytes: 1e9,
    wipeAfter: ms(600_000),
    cycleMs: 0,
    onFailure: (fault) => t.fail(fault.message),
  });
}

/** What a kill leaves of three groups of five keys; and their segment. */
async function killed(t: ExecutionContext) {
  const [folder, copy] = [await newFolder(t), await newFolder(t)];
  const { store } = await open(t, folder);
  for (let group = 0; group < 3; group++) {
    const keys = Array.from({ length: 5 }, () => {
      return { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
    });
    await new Promise((done) => putKeys(store, "m", keys, done));
  }
  await cp(folder, copy, { recursive: true });
  await store.close();
  const [name = ""] = await readdir(join(copy, "intake"));
  return { folder: copy, segment: join(copy, "intake", name) };
}

for (const [what, at, flipped] of [
  ["its beginning", 0, 0xff],
  ["its length", 16, 0x7f],
  // As long as both that are left.
  ["the lower part of its length", 18, 5],
  ["its content", 60, 0xff],
] as const) {
  test(`after a kill, a group of which ${what} is damaged is told, and those behind it are there`, async (t) => {
    const { folder, segment } = await killed(t);
    const bytes = await readFile(segment);
    const first = bytes.indexOf("qkg1");
    const second = bytes.indexOf("qkg1", first + 1);
    bytes.writeUInt8(bytes.readUInt8(second + at) ^ flipped, second + at);
    await writeFile(segment, bytes);
    const check = await checkStore({ folder, masterKey });
    t.is(check.damaged_groups, 1);
    t.is(check.waiting_keys, 10);
    t.false(isWhole(check));
    const { store, loaded, damage } = await open(t, folder);
    t.is(damage.groups, 1);
    t.is(allIn(loaded.buffered).length, 10);
    await store.shred();
    await store.close();
    // What could be read of the segment is in another by now.
    t.true(isWhole(await checkStore({ folder, masterKey })));
  });
}

test("of what was written last, and not to its end, nothing is told", async (t) => {
  const { folder, segment } = await killed(t);
  const bytes = await readFile(segment);
  await writeFile(segment, bytes.subarray(0, bytes.lastIndexOf("qkg1") + 40));
  const check = await checkStore({ folder, masterKey });
  t.is(check.waiting_keys, 10);
  t.true(isWhole(check));
});
