/** The driver's own files, where the stack has put something else under their names. */
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeFifo } from "../../../emulator/fifo.ts";
import { eventually } from "../../../eventually.ts";
import { block, type QcryptoBench, withStack } from "../../../rig/qcrypto-bench.ts";

/** Connects, has a block supplied and let go of, and closes. */
async function supplied(bench: QcryptoBench): Promise<void> {
  bench.stack.distil(block(1, 1_000));
  const session = await bench.connect();
  await eventually("blocks", () => bench.blocks.length, { is: 1 });
  session.release(bench.blocks.map(({ ref }) => ref));
  await eventually("answers to releases", () => bench.released.length, { is: 1 });
  await session.close();
}

for (const name of [".released.new", ".notifications.new", ".notifications"]) {
  test.serial(`a link under the name ${name} leads to no other file`, async (t) => {
    await withStack(async (bench) => {
      const other = join(bench.root, "ledger");
      writeFileSync(other, "of the node");
      symlinkSync(other, join(bench.stack.folder, name));
      await supplied(bench);
      t.is(readFileSync(other, "utf8"), "of the node");
      const isInTheWay = name === ".notifications";
      t.deepEqual(bench.events, isInTheWay ? ["notifications_not_kept warning"] : []);
    });
  });
}

for (const name of [".released", ".released.new", ".notifications.new", ".notifications"]) {
  test.serial(`a FIFO under the name ${name} holds up nothing`, async (t) => {
    await withStack(async (bench) => {
      const path = join(bench.stack.folder, name);
      makeFifo(path);
      await supplied(bench);
      t.is(
        lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false,
        name === ".notifications",
      );
    });
  });
}
