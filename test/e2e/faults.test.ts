import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { rounds } from "../campaign-scale.ts";
import { neverAnswer } from "../emulator/km/index.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { meetTroubles, troubleNames } from "../faults/troubles.ts";
import { testWhole, testWholeWith, testWith } from "../needs.ts";
import { programPath } from "../rig/programs.ts";
import { assertWhole, deadline, withRig } from "../rig/with-rig.ts";

const stream = (blocks: number) =>
  seedSource({ seed: 42, blocks, blockBits: 1_024, clock: systemClock });

testWhole.serial(
  "whatever happens to KMs, modules, lines and nodes, the three ledgers fit",
  async (t) => {
    t.timeout(600_000);
    const seed = 20_261_121;
    const most = Math.max(4, rounds(troubleNames.length));
    const { troubles, keys, replayed, broken } = await meetTroubles(1, seed, most);
    t.log(`${troubles} troubles, ${keys} keys, ${replayed} blocks replayed, seed ${seed}`);
    t.deepEqual(broken.slice(0, 10), []);
    t.is(troubles, most);
  },
);

test.serial(
  "a KM that says nothing any more is noticed within its time, and keys go on",
  async (t) => {
    t.timeout(120_000);
    // More than the KM could have taken before it falls silent, on any machine.
    const options = { source: stream(5_000), blockIntervalMs: 20, answerTimeout: 1 };
    await withRig(options, async (rig) => {
      await rig.until("both KMs hold 20 keys", () => rig.holds(20));
      rig.alice.km.behave(neverAnswer("before answering"));
      const { lines } = rig.alice.node;
      // By default it is noticed after 10 s, and here after one.
      await rig.until("it is noticed", () => lines.findLast((l) => /KM does not answer/.test(l)), {
        deadlineMs: 9_000,
      });
      t.pass();
    });
  },
);

testWhole.serial("a damaged ledger closes its module, says so, and can be repaired", async (t) => {
  const blocks = 300;
  await withRig({ source: stream(blocks), blockIntervalMs: 20 }, async (rig) => {
    const { node, nodeId, km } = rig.alice;
    // What was released was recorded, behind the record that is damaged here.
    const released = () =>
      [...rig.pair.alice.module.history.values()].some((block) => block.released);
    await rig.until("both KMs hold 10) && released( keys", () => rig.holds(10) && released());
    await node.stop("SIGKILL");
    // What was under way has arrived when the KM sees the connection's end.
    await rig.until("the connection's end", () => km.counts.open, { is: 0 });
    const ledger = join(rig.folder, nodeId, "state", "ledger-alice");
    const bytes = readFileSync(ledger);
    bytes[64 + 8] = (bytes[64 + 8] as number) ^ 1;
    writeFileSync(ledger, bytes);
    node.start();
    const before = km.store.size;
    await node.logged(/module is not served/, deadline());
    await rig.until("reason", () => rig.view.node(nodeId).reason, {
      matches: /ledger: damaged record/,
    });
    const alarmed = () =>
      rig.broker.messages.some(
        ({ topic, payload }) =>
          /alarm\/state_damaged/.test(topic) && /"severity":"critical"/.test(payload.toString()),
      );
    await rig.until("the alarm state_damaged", alarmed);
    t.is(km.store.size, before, "not a key is supplied");
    await rig.until("blocks of the module", () => rig.pair.alice.module.heldBlocks, { atLeast: 1 });
    await node.stop();

    const command = programPath("qkd-node");
    const { spawnSync } = await import("node:child_process");
    const config = join(rig.folder, `${nodeId}.toml`);
    const qkdNode = (...args: string[]) =>
      spawnSync(command, [...args, "--config", config], { encoding: "utf8" });
    const found = qkdNode("ledger", "check");
    t.is(found.status, 74);
    t.regex(found.stdout, /: damaged\n[\s\S]*damaged at byte 64/);
    const repaired = qkdNode("ledger", "repair", "alice", "--trust");
    t.is(repaired.status, 0, repaired.stderr);
    t.regex(qkdNode("ledger", "check").stdout, /: good/);
    node.lines.length = 0;
    node.start();
    await rig.until("every block is released or kept back", () => rig.settled());
    assertWhole(t, rig, blocks);
  });
});

/** A clock that the test sets, for one process; only what is called wall time is changed. */
function fakedTime(folder: string) {
  const [library] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
  const file = join(folder, "time");
  return {
    set: (time: string) => writeFileSync(file, `${time}\n`),
    environment: {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  };
}

for (const time of ["@1970-01-01 00:01:00", "@2036-11-21 00:00:00"]) {
  testWith(
    "faketime",
    `a clock at ${time.slice(1, 5)} loses no key: it waits for the right time`,
    async (t) => {
      await withRig({ source: stream(30), blockIntervalMs: 20 }, async (rig) => {
        const { node, nodeId, km } = rig.alice;
        await node.stop();
        const faked = fakedTime(rig.folder);
        faked.set(time);
        node.environment = faked.environment;
        node.start();
        // No certificate is good at that time.
        await node.logged(/KM local: .*certificate/, deadline());
        t.is(km.store.size, 0);
        const alarm = () =>
          rig.broker.messages.some(({ topic }) => /alarm\/certificate_invalid/.test(topic));
        await rig.until("the alarm certificate_invalid", alarm);
        faked.set("+0");
        await rig.until("every block is released or kept back", () => rig.settled());
        assertWhole(t, rig, 30);
        await rig.until("status", () => rig.view.node(nodeId).status, { is: "online" });
      });
    },
  );
}

testWholeWith(
  "faketime",
  "a clock that jumps an hour both ways does not touch the keys, and is told",
  async (t) => {
    await withRig({ source: stream(400), blockIntervalMs: 40 }, async (rig) => {
      const { node, nodeId } = rig.alice;
      await node.stop();
      const faked = fakedTime(rig.folder);
      faked.set("+0");
      node.environment = faked.environment;
      node.start();
      await node.logged(/KM connected/, deadline());
      const told = () =>
        [...rig.view.node(nodeId).events.values()].some(
          ({ type, facts }) =>
            type === "alarm_raised" && /clock_implausible/.test(JSON.stringify(facts)),
        );
      for (const jump of ["+3600", "-3600", "+0"]) {
        faked.set(jump);
        // Looked at once a second: a jump that is over by then was none.
        await rig.until("the event of the clock", told);
        const keys = rig.alice.km.store.size;
        await rig.until("keys at the KM", () => rig.alice.km.store.size, {
          atLeast: Math.min(400, keys + 50),
        });
      }
      await rig.until("every block is released or kept back", () => rig.settled());
      assertWhole(t, rig, 400);
      t.is(rig.alice.km.store.summary().repeats, 0, "not even a connection was lost");
    });
  },
);
