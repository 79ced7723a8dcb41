/** Two nodes on one folder: one of them has it, so that no block is supplied by both. */
import { renameSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { makeFifo } from "../../../emulator/fifo.ts";
import { eventually } from "../../../eventually.ts";
import { block, withStack } from "../../../rig/qcrypto-bench.ts";

test.serial(
  "a second node on the folder is refused until the first has let go of it",
  async (t) => {
    await withStack(async (bench) => {
      bench.stack.distil(block(1, 1_000));
      const first = await bench.connect();
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      const other = bench.newDriver();
      t.like(await t.throwsAsync(bench.connect(other)), {
        code: "link.open",
        message: "another process has the folder",
        facts: { source: bench.stack.folder },
      });
      t.is(bench.blocks.length, 1);
      await first.close();
      await bench.connect(other);
      await eventually("blocks", () => bench.blocks.length, { is: 2 });
    });
  },
);

test.serial(
  "a node that cannot begin on a folder, or whose session ended by itself, holds it no more",
  async (t) => {
    await withStack(async (bench) => {
      const { pipe, folder } = bench.stack;
      renameSync(pipe, `${pipe}.away`);
      await t.throwsAsync(bench.connect(), { message: "there is no notification pipe" });
      renameSync(`${pipe}.away`, pipe);
      const session = await bench.connect();
      renameSync(folder, `${folder}.away`);
      await session.ended;
      renameSync(`${folder}.away`, folder);
      await bench.connect();
      t.pass();
    });
  },
);

test.serial("what has the name of the lock is not followed, and holds up nothing", async (t) => {
  await withStack(async (bench) => {
    const lock = join(bench.stack.folder, ".lock");
    const other = join(bench.root, "ledger");
    await writeFile(other, "of the node");
    await symlink(other, lock);
    await (await bench.connect()).close();
    t.is(await readFile(other, "utf8"), "of the node");
    renameSync(lock, `${lock}.away`);
    makeFifo(lock);
    await (await bench.connect()).close();
  });
});
