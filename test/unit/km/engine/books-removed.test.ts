import { copyFile, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { LedgerThread } from "../../../../src/km/io/engine/ledger.ts";
import { eventually } from "../../../eventually.ts";

const nothing = { rows: [], consumed: [], extents: [], gone: [], segmentsGone: [], redo: [] };

async function replace(path: string): Promise<void> {
  await copyFile(path, `${path}.old`);
  await rename(`${path}.old`, path);
}

for (const [what, act] of Object.entries({
  "books that are removed": (path: string) => rm(path),
  "books of which the -wal is removed": (path: string) => rm(`${path}-wal`),
  "books that an old copy replaces": replace,
})) {
  test(`${what} while they are open are told`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-books-"));
    const path = join(folder, "books.sqlite");
    const books = new LedgerThread(path);
    t.teardown(async () => {
      await books.close();
      await rm(folder, { recursive: true });
    });
    await books.load(true);
    for (let i = 0; i < 3; i++) await books.apply(nothing);
    await act(path);
    const fault = await eventually("the change is found", () =>
      books.apply(nothing).then(
        () => undefined,
        (error: Fault) => error,
      ),
    );
    t.is(fault?.code, "km_store.io");
    t.regex(fault?.message ?? "", /were removed or replaced while they were open/);
  });
}
