import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { storeFault } from "../../../../src/km/io/engine/fault.ts";
import { takeBack } from "../../../../src/km/io/engine/reserve.ts";

test("a store that fails names the file that it could not write or read", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-fault-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, "000000000001.vol");
  await writeFile(path, "1");
  const file = await diskFiles.open(path, "r", 0o600);
  const error = await t.throwsAsync(file.write(Buffer.alloc(1), 0, 1, 0));
  t.deepEqual(storeFault(error).facts, { file: path, reason: "EBADF" });
  const kept = await t.throwsAsync(takeBack(file, 0));
  t.is((kept as { facts?: { file?: string } }).facts?.file, path);
  await file.close();
});
