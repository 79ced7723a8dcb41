import test, { type ExecutionContext } from "ava";
import { blockName } from "../../../../src/port/key.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { durable, Km, withBench } from "../../../rig/custody-bench.ts";

/** What a real KM does: keeps what it said yes to over every connection. */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const stored = new Map<string, string>();
  await withBench({ keyBits: 128, maxHeldBlocks: 6, fresh: true }, async (bench) => {
    const { module, clock } = bench;
    let next = 0;
    let km: Km | undefined;
    let connected = false;
    const answer = (response: string) => {
      const key = km?.outstanding[0];
      if (km === undefined || key === undefined) return;
      if (response === "success") {
        const known = stored.get(key.id);
        t.true(known === undefined || known === key.content, "one ID, two contents");
        stored.set(key.id, key.content);
      }
      km.answer(response);
    };
    const steps: readonly (() => void | Promise<void>)[] = [
      () => module.add(next++, pick([256, 300, 128]), draw() < 0.1 ? { qber: 0.3 } : {}),
      () => module.offer(),
      () => module.offer(),
      () => answer("success"),
      () => answer("success"),
      () => answer("success"),
      () => answer(pick(["busy", "hash_mismatch"])),
      () => {
        // The KM stores the key and the connection is lost before its answer.
        const key = km?.outstanding[0];
        if (key !== undefined) stored.set(key.id, key.content);
        if (km !== undefined) bench.custody.kmDown();
        km = undefined;
      },
      () => {
        if (km !== undefined) return;
        km = new Km(bench.custody, 4);
        bench.custody.kmUp(km);
      },
      () => {
        connected = !connected;
        if (connected) module.connect(bench.custody);
        else module.disconnect();
      },
      () => durable(bench),
      () => clock.advance(2_000),
      async () => {
        if (draw() > 0.2) return;
        km = undefined;
        connected = false;
        await bench.restart();
      },
    ];
    const check = () => {
      for (const name of module.released) {
        const number = Number(name.split("/")[1]);
        const hex = Buffer.alloc(16, number + 1).toString("hex");
        t.true([...stored.values()].includes(hex), `released ${name}, which the KM does not have`);
      }
      t.is(new Set(module.released).size, module.released.length);
    };
    for (let i = 0; i < 400; i++) {
      await pick(steps)();
      check();
    }
    // In the end everything that is not withheld arrives.
    if (!connected) module.connect(bench.custody);
    km = new Km(bench.custody, 4);
    bench.custody.kmDown();
    bench.custody.kmUp(km);
    for (let i = 0; i < 2_000 && module.blocks.size > 0; i++) {
      module.offer();
      answer("success");
      await clock.advance(1_100);
    }
    await durable(bench);
    check();
    const left = [...module.blocks.values()];
    for (const { facts } of left) {
      const record = bench.ledger.get(blockName(facts.ref));
      const kept = record?.state === "withheld" || (record?.quarantined.size ?? 0) > 0;
      t.true(kept, `seed ${seed}: block ${facts.ref.number} was left behind for no reason`);
    }
    t.is(module.released.length + left.length, next);
  });
}

for (let seed = 1; seed <= rounds(40); seed++) {
  test(`whatever happens in whatever order, nothing is lost or doubled (seed ${seed})`, (t) =>
    story(t, seed));
}
