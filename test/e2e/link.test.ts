import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { readCommand } from "../emulator/control/commands.ts";
import { seedSource } from "../emulator/source/seed.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { testWhole } from "../needs.ts";
import { endNames, type Rig } from "../rig/rig.ts";
import { assertWhole, deadline, withRig } from "../rig/with-rig.ts";
import { writings } from "../rig/writings.ts";

function stream(blocks: number, blockBits = 4_096): BlockSource {
  return seedSource({ seed: 42, blocks, blockBits, clock: systemClock });
}

test.serial("a node that is killed again and again supplies every key exactly once", async (t) => {
  const blocks = 150;
  await withRig({ source: stream(blocks), blockIntervalMs: 20 }, async (rig) => {
    const { node, km } = rig.alice;
    const { module } = rig.pair.alice;
    for (let kill = 1; kill <= 3; kill++) {
      // Distilling waits between kills: each process has keys to supply, however slow it is to start.
      module.running = true;
      const enough = kill * 40;
      await rig.until("blocks that were distilled", () => rig.pair.distilledBlocks, {
        atLeast: enough,
      });
      module.running = false;
      await rig.until("keys at the KM", () => km.store.size, { atLeast: enough - 20 });
      t.is(await node.stop("SIGKILL"), "SIGKILL");
      node.start();
    }
    module.running = true;
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, blocks);
    await rig.until("boot 4 is published", () => rig.view.node("node-alice").boots.has(4));
  });
});

testWhole.serial("sliced blocks survive a kill in the middle of a block", async (t) => {
  await withRig({ source: stream(40, 8_192), keyBits: 256, blockIntervalMs: 20 }, async (rig) => {
    await rig.until("both KMs hold 200 keys", () => rig.holds(200));
    await rig.bob.node.stop("SIGKILL");
    rig.bob.node.start();
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, (40 * 8_192) / 256);
  });
});

testWhole.serial(
  "stamps of a module whose clock jumps reach the KM as they are, and cost no key",
  async (t) => {
    await withRig({ source: stream(24), blockIntervalMs: 20 }, async (rig) => {
      const jumps = [86_400, -2 * 86_400, 0.25, 1e10, -1e10, -1e10];
      let jumped = 0;
      for (const seconds of jumps) {
        // A jump between every two blocks, and another when the node has come back from a kill.
        readCommand(`alice clock ${seconds}`)(rig.pair);
        jumped++;
        if (jumped === 3) {
          await rig.alice.node.stop("SIGKILL");
          rig.alice.node.start();
        }
        const until = rig.pair.distilledBlocks + 2;
        await rig.until("blocks that were distilled", () => rig.pair.distilledBlocks, {
          atLeast: until,
        });
      }
      await rig.until("every block is released or kept back", () => rig.settled());
      assertWhole(t, rig, 24);
      const stamps = (name: "alice" | "bob") =>
        rig[name].km.store.entries().map(({ generatedAt }) => generatedAt ?? Number.NaN);
      const made = [...rig.pair.alice.module.history.values()];
      t.deepEqual(
        stamps("alice").toSorted((a, b) => a - b),
        made.map(({ facts }) => facts.generatedAt as number).toSorted((a, b) => a - b),
      );
      t.true(stamps("alice").includes(0), "1970 is as early as it gets");
      t.true(Math.max(...stamps("alice")) > Date.now() + 9e12);
      t.true(stamps("bob").every((at) => Math.abs(at - Date.now()) < 600_000));
    });
  },
);

test.serial("a KM that is away for a while gets every key when it is back", async (t) => {
  await withRig({ source: stream(60), blockIntervalMs: 20 }, async (rig) => {
    const { module } = rig.pair.alice;
    await rig.until("blocks that were distilled", () => rig.pair.distilledBlocks, { atLeast: 20 });
    // Distilling waits until the KM is away, so that something is left to come.
    module.running = false;
    await rig.until("both KMs hold 10 keys", () => rig.holds(10));
    await rig.alice.km.stop();
    module.running = true;
    await rig.until("the link to the KM", () => rig.view.node("node-alice").km, { is: "DOWN" });
    await rig.until("why", () => rig.view.node("node-alice").reason, { matches: /KM: / });
    await rig.until("all blocks are distilled", () => rig.pair.exhausted);
    t.true(module.heldBlocks > 0, "the module keeps what the KM does not have");
    await rig.alice.km.listen();
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, 60);
    await rig.until("the link to the KM", () => rig.view.node("node-alice").km, { is: "UP" });
  });
});

testWhole.serial("keys flow on while the broker is away, and the manager catches up", async (t) => {
  await withRig({ source: stream(60), blockIntervalMs: 20 }, async (rig) => {
    await rig.until("both KMs hold 10 keys", () => rig.holds(10));
    const { broker } = rig;
    await broker.close();
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, 60);
    await broker.listen();
    await rig.until("keys confirmed", () => rig.view.counters("node-alice").confirmed, { is: 60 });
    await rig.until("status", () => rig.view.node("node-alice").status, { is: "online" });
  });
});

testWhole.serial("keys pass lines with noise, over every kind of link, each once", async (t) => {
  const blocks = 60;
  for (const transport of ["serial", "pcie", "socket"] as const) {
    await withRig({ source: stream(blocks), transport }, async (rig) => {
      for (const { line } of rig.pair.ends) line.noise({ bitErrors: 3e-5, drops: 1e-5 });
      await rig.until("blocks that were distilled", () => rig.pair.distilledBlocks, {
        atLeast: 20,
      });
      // One end is reset in the middle of it, the other stands still for a while.
      rig.pair.alice.reset();
      rig.pair.bob.line.stall(300);
      await rig.until("every block is released or kept back", () => rig.settled());
      assertWhole(t, rig, blocks);
      t.true(rig.pair.alice.line.faults + rig.pair.bob.line.faults > 0, "there was noise");
    });
  }
});

testWhole.serial(
  "two modules out of step cost the keys that only one has, and no other",
  async (t) => {
    const blocks = 30;
    await withRig({ source: stream(blocks) }, async (rig) => {
      rig.pair.bob.skip = 5;
      await rig.until("every block is released or kept back", () => rig.settled());
      t.deepEqual(rig.compare(), { common: blocks - 5, different: 0, oneSided: 5 });
    });
  },
);

testWhole.serial("a module that is another than before is not taken for it", async (t) => {
  // After ten blocks distilling stops; the others are another module's.
  const source = stream(40);
  let pair: Rig["pair"] | undefined;
  let made = 0;
  const next = () => {
    if (++made === 10 && pair !== undefined) pair.alice.module.running = false;
    return source.next();
  };
  await withRig({ source: { ...source, next }, blockIntervalMs: 20 }, async (rig) => {
    pair = rig.pair;
    await rig.until("both KMs hold ten keys", () => rig.holds(10));
    rig.pair.alice.rename("QKD-X-9999");
    const view = () => rig.view.node("node-alice");
    await rig.until("reason", () => view().reason, {
      matches: /another module answers.*QKD-X-9999/,
    });
    rig.pair.alice.module.running = true;
    await rig.until("Bob's KM has all", () => rig.bob.km.store.size, { is: 40 });
    t.is(rig.alice.km.store.size, 10, "of another module nothing is taken");
    rig.pair.alice.rename("QKD-A-0001");
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, 40);
  });
});

testWhole.serial("a module that is unplugged and plugged in again loses no key", async (t) => {
  await withRig({ source: stream(80), blockIntervalMs: 20 }, async (rig) => {
    for (const keys of [10, 30]) {
      await rig.until("both KMs hold keys", () => rig.holds(keys));
      rig.pair.bob.port.unplug();
      await rig.until("the link to the module", () => rig.view.node("node-bob").link, {
        is: "OFF",
      });
      rig.pair.bob.port.plug();
    }
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, 80);
    await rig.until("the link to the module", () => rig.view.node("node-bob").link, {
      is: "ACTIVE",
    });
  });
});

test.serial(
  "a KM with a certificate from another CA gets no key, and the node says so",
  async (t) => {
    const stranger = await createAuthority("another CA");
    await withRig({ source: stream(5), kmAuthority: { alice: stranger } }, async (rig) => {
      await rig.alice.node.logged(/certificate is from another CA/, deadline());
      await rig.until("reason", () => rig.view.node("node-alice").reason, {
        matches: /another CA/,
      });
      await rig.until("keys at the KM", () => rig.bob.km.store.size, { is: 5 });
      await rig.until("the link to the KM", () => rig.view.node("node-alice").km, { is: "DOWN" });
      await rig.until("blocks", () => rig.pair.alice.module.heldBlocks, { is: 5 });
      t.is(rig.alice.km.store.size, 0, "the module still has every key");
    });
  },
);

testWhole.serial(
  "blocks above the QBER limit are withheld at both ends and stay in the module",
  async (t) => {
    const source = stream(10);
    const noisy: BlockSource = {
      ...source,
      next() {
        const block = source.next();
        if (block === undefined || block.facts.ref.number % 3 !== 0) return block;
        return { ...block, facts: { ...block.facts, qber: 0.2 } };
      },
    };
    await withRig({ source: noisy }, async (rig) => {
      await rig.until("every block is released or kept back", () => rig.settled());
      t.deepEqual(rig.compare(), { common: 6, different: 0, oneSided: 0 });
      for (const name of endNames) {
        const history = [...rig.pair[name].module.history.values()];
        const kept = history.filter((block) => !block.released).map((b) => b.facts.ref.number);
        t.deepEqual(kept, [0, 3, 6, 9]);
      }
    });
  },
);

test.serial(
  "SIGTERM stops a node in order, as quickly as it starts, and loses nothing; the run leaves nothing behind",
  async (t) => {
    let folder = "";
    await withRig({ source: stream(60), blockIntervalMs: 20 }, async (rig) => {
      folder = rig.folder;
      await rig.until("both KMs hold 10 keys", () => rig.holds(10));
      const begun = performance.now();
      t.is(await rig.alice.node.stop("SIGTERM"), 0);
      const stopped = performance.now();
      await rig.until("status", () => rig.view.node("node-alice").status, { is: "offline" });
      const starting = performance.now();
      rig.alice.node.start();
      await rig.until("boot 2", () => rig.view.node("node-alice").boots.has(2));
      const [stop, start] = [stopped - begun, performance.now() - starting];
      t.log(`stopped after ${stop.toFixed(0)} ms, up again after ${start.toFixed(0)} ms`);
      t.true(stop < 2 * start, "nothing is waited for in vain");
      await rig.until("every block is released or kept back", () => rig.settled());
      assertWhole(t, rig, 60);
      for (const { km } of rig.ends)
        t.is(km.store.summary().repeats, 0, "an orderly stop repeats none");
    });
    t.false(existsSync(folder));
  },
);

function allFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

testWhole.serial(
  "no key is in any log, file or message of a run, at the loudest log level",
  async (t) => {
    const source = stream(60);
    await withRig({ source, logLevel: "debug", blockIntervalMs: 20 }, async (rig) => {
      await rig.until("both KMs hold 20 keys", () => rig.holds(20));
      await rig.alice.km.stop();
      rig.pair.bob.port.unplug();
      await rig.bob.node.stop("SIGKILL");
      rig.bob.node.start();
      rig.pair.bob.port.plug();
      await rig.alice.km.listen();
      await rig.until("every block is released or kept back", () => rig.settled());
      await Promise.all(rig.ends.map(({ node }) => node.stop()));

      const needles = rig.ends.flatMap(({ km }) =>
        km.store.ids().flatMap((id) => writings(km.store.bytes(id) as Uint8Array)),
      );
      t.is(needles.length, 2 * 60 * 21);
      const files = allFiles(rig.folder);
      t.true(files.some((file) => file.endsWith("node-alice.log.txt")));
      t.true(files.some((file) => file.endsWith("ledger-alice")));
      const isIn = (bytes: Buffer) => needles.some((needle) => bytes.includes(needle));
      for (const file of files) t.false(isIn(readFileSync(file)), `a key is in ${file}`);
      for (const { topic, payload } of rig.broker.messages) t.false(isIn(payload), topic);
      // What is searched is searched to its end: a key behind all else is found.
      const [id = ""] = rig.alice.km.store.ids();
      const log = files.find((file) => file.endsWith("node-alice.log.txt")) as string;
      for (const how of ["hex", "base64"] as const) {
        const key = Buffer.from(rig.alice.km.store.bytes(id) as Uint8Array).toString(how);
        t.true(isIn(Buffer.concat([readFileSync(log), Buffer.from(` key=${key}\n`)])), how);
      }
    });
  },
);
