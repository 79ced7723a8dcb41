/** Key managers whose clocks jump, one or both, while keys come and applications take some. */
import { globSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { testWholeWith } from "../needs.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import type { KmOfPair, KmPair, PairApplication } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { deadline } from "../rig/with-rig.ts";

/** Certificates are good for 90 days and a bit: how many are left tells what a process takes the time to be. */
const daysLeft = async ({ state }: KmOfPair) => {
  const { certificates } = await ask<{ certificates: readonly { days?: number }[] }>(
    [`${state}/control`],
    "certs",
  );
  return Math.min(...certificates.flatMap(({ days }) => days ?? []));
};

testWholeWith(
  "faketime",
  "clocks that jump a day or an hour either way lose no key, hand none out twice, and are told",
  async (t) => {
    const blocks = 400;
    const source = seedSource({ seed: 7, blockBits: 8_192, blocks, clock: systemClock });
    const rig = await Rig.start({ source, baud: 0, keyBits: 256, realKms: true });
    t.teardown(() => rig.close());
    const { kms: both } = rig.kms as KmPair;
    const [library = ""] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
    const file = (km: KmOfPair) => join(rig.folder, `time-${km.end}`);
    const set = (km: KmOfPair, jump: string) => writeFile(file(km), `${jump}\n`);
    const clients: ApplicationClient[] = [];
    for (const km of both) {
      await km.process.stop();
      await set(km, "+0");
      km.process.environment = {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: file(km),
        FAKETIME_CACHE_DURATION: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      await km.start(deadline());
      const client = new ApplicationClient(km, km.applications[0] as PairApplication);
      t.teardown(() => client.close());
      clients.push(client);
    }
    const [a, b] = clients as [ApplicationClient, ApplicationClient];
    const seen = new Set<string>();
    const exchange = async () => {
      for (const [master, slave] of [
        [a, b],
        [b, a],
      ] as const) {
        const given = await eventually("keys", () => master.encKeys(slave.sae, 8), {
          when: ({ status }) => status === 200,
        });
        const keys = heldKeys(given);
        const fetched = await slave.decKeys(
          master.sae,
          keys.map(({ id }) => id),
        );
        t.deepEqual(heldKeys(fetched), keys);
        for (const { id, digest } of keys) {
          t.false(seen.has(id) || seen.has(digest), "handed out twice");
          seen.add(id).add(digest);
        }
      }
    };
    await exchange();
    const [alice, bob] = both as [KmOfPair, KmOfPair];
    const right = await daysLeft(alice);
    const ups = () => alice.process.lines.filter((line) => /KM link is up/.test(line)).length;
    const before = ups();
    const sessions = async () => (await alice.status()).links.map(({ session }) => session);
    for (const [ofAlice, ofBob, left] of [
      ["+1d", "+0", right - 1],
      // An hour back.
      ["+23h", "+0", right],
      ["-1d", "-1d", right + 1],
      ["+0", "+0", right],
    ] as const) {
      await Promise.all([set(alice, ofAlice), set(bob, ofBob)]);
      await eventually("the clock of alice", () => daysLeft(alice), { is: left });
      await exchange();
      t.deepEqual(await sessions(), ["ready"]);
    }
    t.is(ups(), before, "no session ended");
    for (const km of both) {
      const alarms = async () => (await km.status()).alarms.map(({ alarm }) => alarm);
      await eventually("it is told", alarms, {
        when: (all) => all.includes("clock_implausible.km"),
      });
    }
    const all = async () => {
      const { links } = await alice.status();
      return links.reduce((sum, { matched_bits }) => sum + matched_bits, 0);
    };
    await eventually("all is matched", all, { is: blocks * 8_192 });
    for (const km of both) {
      const { links, uptime_s } = await km.status();
      t.is(links[0]?.expired_keys, 0);
      t.is(links[0]?.differing_keys, 0);
      t.true(uptime_s < 3_600, "how long it runs is no matter of the clock");
    }
  },
);
