import test, { type ExecutionContext } from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { systemError } from "../../../faults/disk.ts";
import { ZeroizeBench } from "../../../rig/zeroize-bench.ts";

async function withNode(spool: boolean, body: (bench: ZeroizeBench) => Promise<void>) {
  const bench = await ZeroizeBench.open(spool);
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}

/** Settles a command while time goes on. */
async function ended(bench: ZeroizeBench, command: Promise<void>): Promise<Error | undefined> {
  const outcome = command.then(
    () => undefined,
    (error: Error) => error,
  );
  for (let i = 0; i < 4; i++) await bench.quiet();
  return outcome;
}

async function nothingLeft(t: ExecutionContext, bench: ZeroizeBench, when: string) {
  t.is(bench.inMemory, 0, when);
  t.true(
    bench.module.sent.every((block) => block.wiped),
    when,
  );
  t.deepEqual(await bench.onDisk(), [], when);
}

for (const spool of [false, true]) {
  const where = spool ? "with a spool" : "without a spool";

  test(`${where}: a block that is on the line while the module is told is not taken up`, async (t) => {
    await withNode(spool, async (bench) => {
      const { module } = bench;
      module.once = spool;
      module.held = [1, 2];
      module.give();
      await bench.quiet();
      t.is(bench.inMemory, 2);
      const credit = module.credit.blocks + 2;
      module.onTheLine = [3, 4];
      t.is(await ended(bench, bench.guard.zeroize("alice")), undefined);
      t.deepEqual(module.told, ["zeroize"]);
      await nothingLeft(t, bench, "after the answer");
      t.is(module.credit.blocks, credit, "the room of what was dropped is given back");
      // Key that is distilled from now on is taken up.
      module.held = [5];
      module.give();
      await bench.quiet();
      t.is(bench.inMemory, 1);
    });
  });

  test(`${where}: a module that refuses or is silent is told of, and spares the node's copies not`, async (t) => {
    for (const answer of ["refused", "silent"] as const) {
      await withNode(spool, async (bench) => {
        const { module } = bench;
        module.held = [1];
        module.give();
        await bench.quiet();
        module.answer = answer;
        module.onTheLine = [2];
        const error = await ended(bench, bench.guard.zeroize("alice"));
        t.true(error instanceof Fault, answer);
        t.true(module.sent.slice(0, 2).every((block) => block.wiped));
        t.is(bench.guard.status().zeroize, "none", "nothing more is owed");
        // The module still has what was dropped on its way, and offers it again.
        t.is(bench.inMemory, 1);
        t.deepEqual(await bench.onDisk(), spool ? [2] : []);
      });
    }
  });

  test(`${where}: a module that goes away while it is told is told of`, async (t) => {
    await withNode(spool, async (bench) => {
      const { module } = bench;
      module.held = [1];
      module.give();
      await bench.quiet();
      module.unplug();
      await bench.quiet();
      const error = await ended(bench, bench.guard.zeroize("alice"));
      t.is(error?.message, "zeroize: module is not connected");
      t.deepEqual(await bench.onDisk(), []);
    });
  });
}

test("power may fail at any operation of the disk: once the module was told, a start finishes it", async (t) => {
  let finished = 0;
  let untouched = 0;
  for (let i = 0, more = true; more || i % 3 !== 0; i++) {
    const at = 1 + Math.floor(i / 3);
    const bench = await ZeroizeBench.open(true);
    const { module } = bench;
    module.once = true;
    module.held = [1, 2];
    module.give();
    await bench.quiet();
    bench.cutAt(at);
    module.onTheLine = [3];
    const error = await ended(bench, bench.guard.zeroize("alice"));
    more = bench.disk.dead;
    const told = module.told.length > 0;
    await bench.powerBack(i);
    await bench.quiet();
    const when = `cut at operation ${at}`;
    if (told) {
      await nothingLeft(t, bench, when);
      t.is(bench.guard.status().zeroize, "none", when);
      finished++;
    } else if (bench.alarms.length > 0) {
      await nothingLeft(t, bench, when);
    } else {
      t.not(error, undefined, `${when}: nobody was told that it is done`);
      t.deepEqual(await bench.onDisk(), [1, 2], when);
      untouched++;
    }
    await bench.close();
  }
  t.true(finished > 10 && untouched > 2, `${finished} finished, ${untouched} untouched`);
});

test("what a start finds to be zeroized is not supplied before, whatever disk and module do", async (t) => {
  const bench = await ZeroizeBench.open(true);
  const { module } = bench;
  module.once = true;
  module.held = [1, 2];
  module.give();
  await bench.quiet();
  // The mark is on disk, and nothing else of it.
  module.answer = "pending";
  void bench.guard.zeroize("alice").catch(() => {});
  for (let i = 0; i < 200 && module.told.length === 0; i++) await bench.clock.advance(0);
  bench.disk.dead = true;
  await bench.quiet();
  module.answer = "silent";
  module.held = [7];
  await bench.powerBack(1);
  t.true(module.told.length > 1, "it is told again");
  t.is(bench.inMemory, 0, "what it holds meanwhile is not taken up");
  t.deepEqual(await bench.onDisk(), []);
  t.false(bench.halt.on, "other modules go on");
  module.answer = "done";
  await bench.clock.advance(10_000);
  await bench.quiet();
  await nothingLeft(t, bench, "once it answered");
  t.deepEqual(bench.alarms, ["zeroized.alice by command"]);
  module.held = [8];
  module.give();
  await bench.quiet();
  t.is(bench.inMemory, 1);
  await bench.close();
});

test("a spool that cannot be emptied is told of, and emptied once the disk works", async (t) => {
  await withNode(true, async (bench) => {
    const { module } = bench;
    module.held = [1];
    module.give();
    await bench.quiet();
    bench.disk.trouble = () => systemError("EIO");
    const error = await ended(bench, bench.guard.zeroize("alice"));
    t.true(error instanceof Fault);
    t.true(module.told.length > 0, "the module does not wait for the disk");
    t.is(bench.inMemory, 0);
    t.is(bench.guard.status().zeroize, "failed");
    module.held = [2];
    module.give();
    await bench.quiet();
    t.is(bench.inMemory, 0);
    bench.disk.trouble = () => undefined;
    await bench.clock.advance(10_000);
    await bench.quiet();
    await nothingLeft(t, bench, "once the disk works");
    t.deepEqual(bench.alarms, ["zeroized.alice by command"]);
    t.is(bench.guard.status().zeroize, "none");
  });
});

test("two commands at once are both carried out, and open the way for new key again", async (t) => {
  await withNode(true, async (bench) => {
    const { module } = bench;
    module.held = [1];
    module.give();
    await bench.quiet();
    module.onTheLine = [2];
    const command = bench.guard.zeroize("alice");
    const again = bench.guard.zeroize("alice");
    t.is(
      await ended(
        bench,
        Promise.all([command, again]).then(() => {}),
      ),
      undefined,
    );
    await nothingLeft(t, bench, "after both");
    module.held = [3];
    module.give();
    await bench.quiet();
    t.is(bench.inMemory, 1, "it is open again");
  });
});
