import { linkSync, mkdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { fileName } from "../../../../drivers/qcrypto/file.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { eventually } from "../../../eventually.ts";
import { block, withStack } from "../../../rig/qcrypto-bench.ts";

test.serial("from zeroize on nothing is offered that was there before", async (t) => {
  await withStack(async (bench) => {
    for (let number = 1; number <= 40; number++) bench.stack.distil(block(number, 8_000));
    const session = await bench.connect(bench.driver, 0);
    // It is told in the middle of reading them.
    const zeroized = new Promise<void>((resolve, reject) => {
      bench.onBlock = () => {
        bench.onBlock = () => {};
        queueMicrotask(() => session.command({ name: "zeroize" }).then(resolve, reject));
      };
    });
    session.grant(1_000, 1e9);
    await zeroized;
    t.deepEqual(bench.stack.epochs(), []);
    bench.stack.distil(block(50, 8_000));
    await eventually("blocks", () => bench.blocks.length, { atLeast: 2 });
    t.deepEqual(
      bench.blocks.map(({ ref }) => ref.number),
      [1, 50].map((number) => block(number, 1).epoch),
    );
  });
});

test.serial("what is no file does not spare the keys, and keys are overwritten", async (t) => {
  await withStack(async (bench) => {
    const session = await bench.connect();
    const odd = join(bench.stack.folder, fileName(block(1, 1).epoch));
    mkdirSync(join(odd, "inside"), { recursive: true });
    bench.stack.distil(block(2, 8_000));
    const kept = join(bench.root, "kept");
    linkSync(join(bench.stack.folder, fileName(block(2, 1).epoch)), kept);
    await session.command({ name: "zeroize" });
    t.deepEqual(bench.stack.epochs(), [block(1, 1).epoch]);
    t.true(readFileSync(kept).every((byte) => byte === 0));
  });
});

test.serial("without a session the files are destroyed all the same", async (t) => {
  await withStack(async (bench) => {
    bench.stack.distil(block(1, 8_000));
    unlinkSync(bench.stack.pipe);
    await t.throwsAsync(bench.connect(), { instanceOf: Fault, message: /no notification pipe/ });
    await bench.driver.destroy?.();
    t.deepEqual(bench.stack.epochs(), []);
  });
});
