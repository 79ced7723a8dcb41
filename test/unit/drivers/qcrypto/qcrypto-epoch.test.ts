/** Another `epoch` in the configuration: a block that waits keeps the name that it has. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { fileName } from "../../../../drivers/qcrypto/file.ts";
import { eventually } from "../../../eventually.ts";
import { block, type QcryptoBench, withStack } from "../../../rig/qcrypto-bench.ts";

const another = "0000000000000001";
const [first, second] = [block(1, 1_000), block(2, 1_000)];

/** The first of two blocks was supplied and let go of, the other one waits. */
async function oneWaits(bench: QcryptoBench): Promise<void> {
  for (const one of [first, second]) bench.stack.distil(one);
  const session = await bench.connect();
  await eventually("blocks", () => bench.blocks.length, { is: 2 });
  session.release(bench.blocks.slice(0, 1).map(({ ref }) => ref));
  await eventually("answers to releases", () => bench.released.length, { is: 1 });
  await session.close();
}

const refusal = { code: "link.open", message: /belong to another epoch/ };

test.serial("a block that waits is not offered under a second name", async (t) => {
  await withStack(async (bench) => {
    await oneWaits(bench);
    const error = await t.throwsAsync(bench.connect(bench.newDriver(60, another)), refusal);
    const facts = { source: bench.stack.folder, files: 1, epoch: another };
    t.like(error, { facts: { ...facts, "their epoch": "0000000000000000" } });
    t.is(bench.blocks.length, 2);
    await bench.connect(bench.newDriver());
    await eventually("blocks", () => bench.blocks.length, { is: 3 });
    t.deepEqual(bench.blocks[2]?.ref, bench.blocks[1]?.ref);
    bench.session?.release(bench.blocks.slice(2).map(({ ref }) => ref));
    await eventually("answers to releases", () => bench.released.length, { is: 2 });
    await bench.session?.close();
    await bench.connect(bench.newDriver(60, another));
    bench.stack.distil(block(3, 64));
    await eventually("blocks", () => bench.blocks.length, { is: 4 });
    t.is(bench.blocks[3]?.ref.epoch, another);
  });
});

test.serial("the epoch is known before anything was let go of", async (t) => {
  await withStack(async (bench) => {
    bench.stack.distil(first);
    const session = await bench.connect();
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    await session.close();
    await t.throwsAsync(bench.connect(bench.newDriver(60, another)), refusal);
  });
});

test.serial("a file that was let go of and not deleted is no new block", async (t) => {
  await withStack(async (bench) => {
    await oneWaits(bench);
    rmSync(join(bench.stack.folder, fileName(second.epoch)));
    bench.stack.writeFile(first);
    await bench.connect(bench.newDriver(60, another));
    t.deepEqual(bench.stack.epochs(), []);
    t.is(bench.blocks.length, 2);
  });
});
