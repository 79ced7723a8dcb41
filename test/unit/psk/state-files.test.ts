import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { diskFiles, type FileSystem } from "../../../src/host/disk/files.ts";
import { KeyFiles } from "../../../src/psk/io/key-files.ts";
import { ProgramTunnel } from "../../../src/psk/io/run-program.ts";

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A disk that is full from now on, in the middle of what is written. */
function fullDisk(): FileSystem {
  return {
    ...diskFiles,
    async open(path, flags, mode) {
      const file = await diskFiles.open(path, flags, mode);
      return {
        read: (...at) => file.read(...at),
        datasync: () => file.datasync(),
        truncate: (length) => file.truncate(length),
        stat: () => file.stat(),
        close: () => file.close(),
        async write(source, offset, _length, position) {
          await file.write(source, offset, 40, position);
          throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
        },
      };
    },
  };
}

function newKey() {
  return { id: randomUUID(), bytes: Buffer.alloc(32, 7) };
}

test("on a full disk a key is not kept, and that is a fault; nothing of it is left", async (t) => {
  const folder = folderOf(t);
  const place = await KeyFiles.open(folder, fullDisk());
  const key = newKey();
  const fault = await t.throwsAsync(place.keepNext(key), { instanceOf: Fault });
  t.is(describe(fault), `the tunnel's key cannot be kept (state_dir=${folder}, code=ENOSPC)`);
  t.deepEqual(readdirSync(folder), []);
  t.true(key.bytes.every((byte) => byte === 0));
  t.is(place.next, undefined);
});

test("a folder that is gone is a fault of each step, and of the program's file", async (t) => {
  const folder = join(folderOf(t), "state");
  const place = await KeyFiles.open(folder);
  await place.keepNext(newKey());
  rmSync(folder, { recursive: true });
  const program = { command: ["true"], format: "raw", isRepeatable: false } as const;
  const tunnel = new ProgramTunnel({ ...program, folder, clock: systemClock });
  for (const step of [
    () => place.promote(),
    () => place.keepNext(newKey()),
    () => tunnel.install(Buffer.alloc(32)),
  ]) {
    const fault = await t.throwsAsync(step, { instanceOf: Fault });
    t.regex(describe(fault), /cannot be (kept|written.*) \(state_dir=.*\/state, code=ENOENT\)$/);
  }
});

test("a folder that cannot be is told of", async (t) => {
  const file = join(folderOf(t), "file");
  writeFileSync(file, "");
  const fault = await t.throwsAsync(KeyFiles.open(`${file}/state`), { instanceOf: Fault });
  t.regex(describe(fault), /^the tunnel's keys cannot be read \(state_dir=.*, code=ENOTDIR\)$/);
});

test("a file that is damaged is of no key", async (t) => {
  const folder = folderOf(t);
  for (const damaged of [Buffer.alloc(68), Buffer.alloc(20), Buffer.alloc(5_000, "0")]) {
    writeFileSync(`${folder}/current`, damaged);
    t.is((await KeyFiles.open(folder)).current, undefined);
  }
});
