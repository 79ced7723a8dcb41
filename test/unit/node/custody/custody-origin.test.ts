import { readFileSync, writeFileSync } from "node:fs";
import test from "ava";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { Load, maxBlocks, maxEpochs } from "../../../../src/node/custody/load.ts";
import type { ModulePair } from "../../../../src/node/keys/ports.ts";
import { repairLedger } from "../../../../src/node/ledger/ledger-tool.ts";
import { Pairs, pairId } from "../../../../src/node/ledger/pairs.ts";
import { Operator } from "../../../../src/node/module/operator.ts";
import { type Bench, durable, epoch, Km, withBench } from "../../../rig/custody-bench.ts";
import { someIdentity } from "../../../rig/identity.ts";

async function serve(bench: Bench): Promise<Km> {
  const km = new Km(bench.custody);
  bench.custody.kmUp(km);
  bench.module.connect(bench.custody);
  bench.module.offer();
  await durable(bench);
  return km;
}

const contents = (km: Km) => km.outstanding.map(({ id, content }) => `${id} ${content}`);

test("a key keeps its ID when the matching module is another one, which is told", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    bench.module.add(0);
    const before = contents(await serve(bench));
    await bench.restart();
    bench.module.matching = "QKD-B2";
    t.deepEqual(contents(await serve(bench)), before);
    t.deepEqual(
      bench.events.filter(({ type }) => type === "pair_changed"),
      [{ type: "pair_changed", facts: { epoch, recorded: "QKD-B", found: "QKD-B2" } }],
    );
    t.is(bench.ledger.module?.matchingModuleId, "QKD-B2", "new epochs are of the new pair");
    t.is(bench.ledger.pairOf(epoch)?.matchingModuleId, "QKD-B");
  });
});

test("the pair of a new epoch is on disk before a key of it leaves, also with names of all lengths", async (t) => {
  const matching = `${"é".repeat(128)}`;
  await withBench({ keyBits: 256, fresh: true }, async (bench) => {
    bench.module.matching = matching;
    bench.module.add(0);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    bench.module.connect(bench.custody);
    km.onSupply = () => t.is(bench.ledger.pairOf(epoch)?.matchingModuleId, matching);
    bench.module.offer();
    t.is(km.outstanding.length, 0, "it waits for the disk");
    await durable(bench);
    const before = contents(km);
    t.is(before.length, 1);
    await bench.restart();
    bench.module.matching = "QKD-B";
    t.deepEqual(contents(await serve(bench)), before);
  });
});

test("another module's block under a known reference is neither supplied nor destroyed", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    bench.module.add(0);
    const km = await serve(bench);
    km.answerAll();
    await durable(bench);
    await bench.restart();
    bench.module.identity = { ...someIdentity, moduleId: "QKD-Z" };
    bench.module.add(0, 256, {}, Buffer.alloc(32, 9));
    bench.module.add(1, 0);
    const after = await serve(bench);
    t.deepEqual(after.outstanding, []);
    t.is(bench.module.blocks.size, 2, "it stays where it is");
    t.true(bench.events.some(({ type }) => type === "module_changed"));
  });
});

test("after a repair what the module holds is withheld, what it makes later is not", async (t) => {
  await withBench({ keyBits: 256, fresh: true }, async (bench) => {
    const { module } = bench;
    for (const number of [0, 1]) module.add(number);
    (await serve(bench)).answer();
    await durable(bench);
    await bench.restart();
    module.disconnect();
    bench.custody.wipe();
    await bench.ledger.close();
    const bytes = readFileSync(bench.path);
    bytes[3 * 64 + 20] = (bytes[3 * 64 + 20] as number) ^ 1;
    writeFileSync(bench.path, bytes);
    t.truthy(await repairLedger(diskFiles, bench.path, false));
    await bench.restart();
    module.add(0, 256, { ref: { epoch: "00000000000000ee", number: 0 } });
    const km = await serve(bench);
    t.is(km.outstanding.length, 0, "also of an epoch that the ledger knows nothing of");
    const held = module.blocks.size;
    t.is(bench.custody.keptBackKeys.counts()["withheld.ledger_repaired"], held);
    module.add(5);
    module.offer();
    await durable(bench);
    t.is(km.outstanding.length, 1, "it was made after the repair");
    const reasons = bench.events.filter(({ type }) => type === "key_withheld");
    t.deepEqual([...new Set(reasons.map(({ facts }) => facts.reason))], ["ledger_repaired"]);

    t.is(
      bench.custody.keptBackKeys.decideAll("discard", {
        reason: "ledger_repaired",
        epoch: "00000000000000ee",
      }),
      1,
    );
    t.is(
      bench.custody.keptBackKeys.decideAll("reinstate", { reason: "ledger_repaired" }),
      held - 1,
    );
    await durable(bench);
    module.offer();
    await durable(bench);
    t.is(km.outstanding.length, held, "supplied after all, but for what was given up");
    t.deepEqual(bench.custody.keptBackKeys.counts(), {});
  });
});

test("after a repair a block is doubtful also if the module had let go of it and is set back", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module } = bench;
    for (const number of [0, 1, 2, 3]) module.add(number);
    (await serve(bench)).answerAll();
    await durable(bench);
    t.is(module.released.length, 4);
    await bench.restart();
    await bench.ledger.close();
    // That one of them is with the KM, and was let go of, is lost.
    const bytes = readFileSync(bench.path);
    for (let at = 64; at < bytes.length; at += 64) {
      const isLost = [2, 6].includes(bytes[at] as number) && bytes.readBigUInt64BE(at + 12) === 1n;
      if (isLost) bytes[at + 20] = 1;
    }
    writeFileSync(bench.path, bytes);
    t.truthy(await repairLedger(diskFiles, bench.path, false));
    await bench.restart();
    t.is((await serve(bench)).outstanding.length, 0);
    module.disconnect();
    module.add(1);
    const km = await serve(bench);
    t.is(km.outstanding.length, 0);
    t.deepEqual(bench.custody.keptBackKeys.counts(), { "withheld.ledger_repaired": 1 });
    module.add(4);
    module.offer();
    await durable(bench);
    t.is(km.outstanding.length, 1, "blocks that are yet to come are not");
  });
});

test("without a word of the module on its newest blocks a repair withholds until somebody decides", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    bench.module.tellsNewest = false;
    bench.ledger.append({ kind: "repaired" });
    bench.module.add(0);
    const km = await serve(bench);
    t.is(km.outstanding.length, 0);
    bench.custody.keptBackKeys.decideAll("discard", { reason: "ledger_repaired" });
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
    bench.module.add(1);
    bench.module.offer();
    await durable(bench);
    t.is(km.outstanding.length, 1, "the decision ends the doubt");
  });
});

test("what is discarded after a repair while the module is away leaves what it holds doubtful", async (t) => {
  for (const tellsNewest of [true, false]) {
    await withBench({ keyBits: 256 }, async (bench) => {
      const { module, custody } = bench;
      module.tellsNewest = tellsNewest;
      bench.ledger.append({ kind: "repaired" });
      module.add(0);
      custody.keptBackKeys.decideAll("discard", { reason: "ledger_repaired" });
      await durable(bench);
      const km = await serve(bench);
      t.is(km.outstanding.length, 0);
      t.deepEqual(custody.keptBackKeys.counts(), { "withheld.ledger_repaired": 1 });
    });
  }
});

test("of a module that is accepted after a repair, what it holds is doubtful as well", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module } = bench;
    bench.ledger.append({ kind: "repaired" });
    await serve(bench);
    await bench.restart();
    const operator = new Operator({
      custody: bench.custody,
      ledger: bench.ledger,
      configured: undefined,
      onAccepted: () => {},
    });
    operator.acceptModule("QKD-Z");
    module.identity = { ...someIdentity, moduleId: "QKD-Z" };
    const other = "00000000000000ee";
    module.add(0, 256, { ref: { epoch: other, number: 0 } });
    const km = await serve(bench);
    t.is(km.outstanding.length, 0);
    module.add(1, 256, { ref: { epoch: other, number: 1 } });
    module.offer();
    await durable(bench);
    t.is(km.outstanding.length, 1, "what it made since is not");
  });
});

test("a word about a block that was withheld reaches no block of another module", async (t) => {
  await withBench({ keyBits: 256, fresh: true }, async (bench) => {
    const { module } = bench;
    module.add(0, 256, { qber: 0.2 });
    module.add(1);
    await serve(bench);
    bench.custody.damaged({ ref: { epoch: "00000000000000ee", number: 0 }, bits: 256 }, "worn");
    module.disconnect();
    t.is(bench.custody.keptBackKeys.decideAll("discard", {}), 2);
    await durable(bench);
    await bench.restart();
    module.blocks.clear();
    module.identity = { ...someIdentity, moduleId: "QKD-Z" };
    module.add(0, 256, { qber: 0.02 });
    module.add(0, 256, { ref: { epoch: "00000000000000ee", number: 0 } });
    await serve(bench);
    t.deepEqual(module.discarded, []);
    t.is(module.blocks.size, 2);
  });
});

test("what a module says of blocks before it is served, or after, counts for nothing", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module, custody, ledger } = bench;
    module.add(0, 256, { qber: 0.2 });
    await serve(bench);
    module.disconnect();
    const { size } = ledger;
    custody.released([{ epoch, number: 0 }]);
    custody.damaged({ ref: { epoch, number: 1 }, bits: 256 }, "says another one");
    t.deepEqual(ledger.size, size);
    t.deepEqual(custody.keptBackKeys.counts(), { "withheld.qber": 1 });
    t.is(custody.counters().released_blocks, 0);
  });
});

test("a module that lets go of what it was not told to is told of; else nothing is", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module, custody } = bench;
    for (const number of [0, 1, 2, 3, 4])
      module.add(number, 256, { qber: number < 2 ? 0.2 : 0.02 });
    module.add(5, 0);
    const km = await serve(bench);
    t.is(custody.keptBackKeys.discard(`${epoch}/0`), undefined);
    km.answer();
    await durable(bench);
    module.disconnect();
    km.answer();
    await durable(bench);
    module.connect(custody);
    await durable(bench);
    t.is(module.blocks.size, 2);
    const lost = () => bench.events.filter(({ type }) => type === "block_lost");
    t.deepEqual(lost(), []);
    // One that is withheld, one that is on its way, one that is nobody's.
    custody.released([1, 4, 9].map((number) => ({ epoch, number })));
    t.deepEqual(
      lost().map(({ facts }) => facts.block),
      [`${epoch}/1`, `${epoch}/4`],
    );
  });
});

test("a block without a QBER is withheld where one is required, and told where not", async (t) => {
  for (const qberRequired of [true, false]) {
    await withBench({ keyBits: 256, qberRequired }, async (bench) => {
      bench.module.add(0, 256, { qber: undefined });
      const km = await serve(bench);
      t.is(km.outstanding.length, qberRequired ? 0 : 1);
      t.like(bench.custody.counters(), { without_qber: 1, withheld: qberRequired ? 1 : 0 });
      t.like(bench.events[0], { type: qberRequired ? "key_withheld" : "block_without_qber" });
    });
  }
});

test("a block that was withheld for want of a QBER is supplied once it comes with one", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    const { module } = bench;
    module.add(0, 256, { qber: undefined });
    module.add(1, 256, { qber: undefined });
    const km = await serve(bench);
    t.is(km.outstanding.length, 0);
    module.add(0, 256, { qber: 0.02 });
    module.add(1, 256, { qber: 0.2 });
    module.offer();
    await durable(bench);
    t.is(km.outstanding.length, 1);
    t.deepEqual(bench.custody.keptBackKeys.counts(), { "withheld.qber": 1 });
  });
});

test("an epoch whose pair's names were lost gets the pair that is recorded next, for ever", (t) => {
  const pairs = new Pairs();
  const [lost, next, later] = ["QKD-B", "QKD-C", "QKD-D"].map((matchingModuleId) => ({
    moduleId: "QKD-A",
    matchingModuleId,
  }));
  const record = (pair: ModulePair | undefined, isNamed: boolean) => {
    if (pair === undefined) return;
    for (const entry of pairs.naming(pair)) {
      if (isNamed && entry.kind === "name") pairs.addName(entry.id, entry.part, entry.hex);
    }
    pairs.setEpoch(epoch, pairId(pair));
  };
  record(lost, false);
  t.is(pairs.of(epoch), undefined);
  record(next, true);
  record(later, true);
  record(lost, true);
  t.deepEqual(pairs.of(epoch), next);
});

test("what a module can have recorded is bounded, and beyond that it is closed once", (t) => {
  const size = { blocks: 0, epochs: 0 };
  const faults: string[] = [];
  const ledger = { size, get: () => undefined, pairOf: () => undefined };
  let waiting = 0;
  const onOverload = ({ code }: { code: string }) => faults.push(code);
  const load = new Load(ledger, () => waiting, onOverload);
  const ref = { epoch, number: 1 };
  t.true(load.takes(ref));
  size.epochs = maxEpochs - 1;
  size.blocks = maxBlocks;
  t.false(load.takes(ref));
  size.blocks = 0;
  t.false(load.takes(ref), "it stays closed");
  t.deepEqual(faults, ["module.overload"]);
  waiting = maxBlocks;
  const other = new Load(ledger, () => waiting, onOverload);
  t.false(other.takes(ref), "also of blocks that wait for a KM without a record");
  t.is(faults.length, 2);
});

test("a module that floods the ledger with damaged blocks leaves one that can be opened", async (t) => {
  await withBench({ keyBits: 256 }, async (bench) => {
    bench.module.connect(bench.custody);
    for (let number = 0; number < maxBlocks + 5_000; number++) {
      bench.custody.damaged({ ref: { epoch, number }, bits: 8 }, "hash mismatch");
    }
    await durable(bench);
    t.is(bench.ledger.size.blocks, maxBlocks);
    t.is(bench.events.length, maxBlocks);
    await bench.restart();
    t.is(bench.ledger.size.blocks, maxBlocks);
  });
});
