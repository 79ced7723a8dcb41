import { mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { lockStore } from "../../../../src/km/io/store-lock.ts";

test("a folder of the store that cannot be made is told as a store that cannot be opened, and as no defect", async (t) => {
  const state = await mkdtemp(join(tmpdir(), "qkd-km-store-lock-"));
  t.teardown(() => rm(state, { recursive: true }));
  const folder = join(state, "store");
  await symlink(join(state, "not mounted", "store"), folder);
  const fault = (await t.throwsAsync(lockStore(folder))) as Fault;
  t.is(fault.code, "km_store.io");
  t.deepEqual(fault.facts, { folder, file: folder, reason: "EEXIST" });
  await rm(folder);
  const lock = await lockStore(folder);
  t.true((await stat(folder)).isDirectory());
  lock.release();
});
