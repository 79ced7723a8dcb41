/** Books of a key manager answer when what they were told is on the disk, and not before. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { HungDisk } from "../rig/hung-disk.ts";

const child = fileURLToPath(new URL("../faults/books-child.ts", import.meta.url));

testWith("gcc", "a transaction is answered when the sync of its log is over", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-books-durable-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const disk = new HungDisk(folder, "books.sqlite-wal", "syncs");
  t.teardown(() => disk.goOn());
  const env = { ...process.env, ...disk.environment };
  const books = fork(child, [join(folder, "books.sqlite")], { env });
  t.teardown(() => books.kill("SIGKILL"));
  await once(books, "message");
  const durable: number[] = [];
  books.on("message", ({ durable: number }: { durable: number }) => durable.push(number));
  for (const number of [1, 2, 3]) {
    disk.hang();
    books.send(number);
    await eventually("the sync is asked for", () => disk.isWaitedFor || durable.includes(number));
    t.false(durable.includes(number), `${number} is told while the disk has not got it`);
    disk.goOn();
    await eventually("it is told", () => durable.at(-1), { is: number });
  }
});
