import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { diskFiles, type FileSystem } from "../../../../src/host/disk/files.ts";
import { openState } from "../../../../src/node/state/state.ts";

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), "qkd-state-"));
  try {
    await body(join(parent, "state"));
  } finally {
    rmSync(parent, { recursive: true });
  }
}

const boot = async (folder: string, files: FileSystem = diskFiles) =>
  (await openState(files, folder)).data.boot;

/** Ways in which a file can be damaged. */
const damages: Readonly<Record<string, (whole: Buffer) => Buffer>> = {
  empty: () => Buffer.alloc(0),
  truncated: (whole) => whole.subarray(0, whole.length - 3),
  "NUL-filled": (whole) => Buffer.alloc(whole.length),
  "`null`": () => Buffer.from("null"),
  "one bit off": (whole) => {
    const bytes = Buffer.from(whole);
    bytes[bytes.length - 4] = (bytes.at(-4) as number) ^ 1;
    return bytes;
  },
};

test("each start counts, on files that only the node may read", async (t) => {
  await withFolder(async (folder) => {
    for (let n = 1; n <= 4; n++) t.is(await boot(folder), n);
    t.is(statSync(folder).mode & 0o777, 0o700);
    t.deepEqual(readdirSync(folder).sort(), ["state.0", "state.1"]);
    t.is(statSync(join(folder, "state.0")).mode & 0o777, 0o600);
  });
});

for (const [name, damage] of Object.entries(damages)) {
  test(`a generation that is ${name} is replaced by the other; the counter does not repeat`, async (t) => {
    for (const which of ["state.0", "state.1"]) {
      await withFolder(async (folder) => {
        for (let n = 1; n <= 4; n++) await boot(folder);
        const path = join(folder, which);
        writeFileSync(path, damage(readFileSync(path)));
        const next = await boot(folder);
        t.true(next > 4);
        t.is(await boot(folder), next + 1);
      });
    }
  });

  test(`when both generations are ${name} the node does not start over silently`, async (t) => {
    await withFolder(async (folder) => {
      for (let n = 1; n <= 4; n++) await boot(folder);
      for (const which of ["state.0", "state.1"]) {
        const path = join(folder, which);
        writeFileSync(path, damage(readFileSync(path)));
      }
      const error = await t.throwsAsync(boot(folder), { instanceOf: Fault });
      t.is((error as Fault).code, "state.corrupt");
    });
  });
}

test("state of a later version is not touched", async (t) => {
  await withFolder(async (folder) => {
    await boot(folder);
    const path = join(folder, "state.1");
    writeFileSync(path, readFileSync(path, "utf8").replace("state/1", "state/2"));
    await t.throwsAsync(boot(folder), { instanceOf: Fault, message: /later version/ });
  });
});

/** A disk that fails at its nth operation, and at every one after that: a power cut. */
function failing(after: number): { files: FileSystem; used: () => number } {
  let operations = 0;
  const count = async <T>(act: () => Promise<T>): Promise<T> => {
    if (++operations > after) throw Object.assign(new Error("cut"), { code: "EIO" });
    return act();
  };
  const files: FileSystem = {
    open: (path, flags, mode) =>
      count(async () => {
        const file = await diskFiles.open(path, flags, mode);
        return {
          read: (...args) => count(() => file.read(...args)),
          write: (...args) => count(() => file.write(...args)),
          datasync: () => count(() => file.datasync()),
          truncate: (length) => count(() => file.truncate(length)),
          stat: () => file.stat(),
          close: () => file.close(),
        };
      }),
    rename: (from, to) => count(() => diskFiles.rename(from, to)),
    remove: (path) => count(() => diskFiles.remove(path)),
    list: (path) => count(() => diskFiles.list(path)),
    makeFolder: (path) => count(() => diskFiles.makeFolder(path)),
    syncFolder: (path) => count(() => diskFiles.syncFolder(path)),
  };
  return { files, used: () => operations };
}

test("a cut at any file operation leaves state that opens, and a counter that does not repeat", async (t) => {
  await withFolder(async (folder) => {
    let last = await boot(folder);
    const whole = failing(Number.POSITIVE_INFINITY);
    last = await boot(folder, whole.files);
    for (let n = 0; n < whole.used(); n++) {
      await t.throwsAsync(boot(folder, failing(n).files), { instanceOf: Fault });
      const next = await boot(folder);
      t.true(next > last);
      last = next;
    }
  });
});
