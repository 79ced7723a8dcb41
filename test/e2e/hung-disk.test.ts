/** A disk that hangs: what applications of a key manager see of it, at both ends, and how a node on it ends. */
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWholeWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { HungDisk } from "../rig/hung-disk.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { SkipClient } from "../rig/skip-client.ts";

testWholeWith(
  "gcc",
  "while a disk hangs applications are refused in time, and then have keys again",
  async (t) => {
    t.timeout(180_000);
    const blocks = 20;
    const rig = await Rig.start({
      source: seedSource({ seed: 7, blockBits: 8_192, blocks, clock: systemClock }),
      ...{ baud: 0, keyBits: 256, realKms: true },
    });
    t.teardown(() => rig.close());
    const { alice, bob } = rig.kms as KmPair;
    const disk = new HungDisk(rig.folder, "/kms/alice/");
    await alice.process.stop();
    alice.process.environment = disk.environment;
    await alice.start(patience(30_000));
    const [a, b] = [alice, bob].map((km) => {
      const client = new ApplicationClient(km, km.applications[0] as never);
      t.teardown(() => client.close());
      return client;
    }) as [ApplicationClient, ApplicationClient];
    const { saeId: identity, pskFile } = alice.applications[1] as {
      saeId: string;
      pskFile: string;
    };
    const router = new SkipClient({ ...alice.skip, identity, pskFile });
    t.teardown(() => router.close());
    const stock = async () => {
      const { stored_key_count: keys } = (await a.status(b.sae)).body as {
        stored_key_count: number;
      };
      return keys;
    };
    await rig.until("keys are in stock", stock, { atLeast: 300 });
    // The other end's half of the stock may come a moment later.
    const firstKey = async () => heldKeys(await b.encKeys(a.sae)).at(0);
    const unfetched = await rig.until("a key waits at the other end", firstKey);
    disk.hang();
    t.teardown(() => disk.goOn());
    const waited = await Promise.all([
      a.encKeys(b.sae),
      a.decKeys(b.sae, [unfetched?.id as string]),
      router.ask(`/key?remoteSystemID=${b.sae}`),
    ]);
    t.deepEqual(
      waited.map(({ status }) => status),
      [503, 503, 503],
    );
    t.true(waited.every(({ headers }) => headers["retry-after"] === "1"));
    // Of now on nothing is begun that would wait.
    const refused = { message: "the disk of this KME does not answer" };
    for (const asked of [
      await a.encKeys(b.sae),
      await a.decKeys(b.sae, [unfetched?.id as string]),
      await router.ask(`/key?remoteSystemID=${b.sae}`),
    ]) {
      t.deepEqual([asked.status, asked.headers["retry-after"], asked.body], [503, "5", refused]);
    }
    t.is((await b.encKeys(a.sae)).status, 503);
    t.is((await router.ask("/entropy?minentropy=256")).status, 200);
    disk.goOn();
    await rig.until("keys are given again", async () => (await a.encKeys(b.sae)).status, {
      is: 200,
    });
    const [key] = heldKeys(await a.encKeys(b.sae));
    t.deepEqual(heldKeys(await b.decKeys(a.sae, [key?.id as string])), [key]);
  },
);

testWholeWith(
  "gcc",
  "a node whose disk hangs says so, and ends in time when it is told to stop",
  async (t) => {
    t.timeout(120_000);
    const rig = await Rig.start({
      source: seedSource({ seed: 9, blockBits: 8_192, blocks: 100_000, clock: systemClock }),
      ...{ baud: 0, keyBits: 256 },
    });
    t.teardown(() => rig.close());
    const { alice } = rig;
    const disk = new HungDisk(rig.folder, `/${alice.nodeId}/state/`);
    t.teardown(() => disk.goOn());
    await alice.node.stop();
    alice.node.environment = disk.environment;
    const before = rig.keysAt(alice);
    alice.node.start();
    await rig.until("keys go on", () => rig.keysAt(alice), { atLeast: before + 10 });
    disk.hang();
    const seen = () => rig.view.node(alice.nodeId);
    await rig.until("it is told", () => seen().reason, {
      matches: /ledger: .*the disk does not answer/,
    });
    await rig.until("the alarm is told", () => [...seen().alarms.keys()].join(), {
      matches: /state_damaged/,
    });
    alice.node.signal("SIGTERM");
    await rig.until("it has ended", () => !alice.node.running, { is: true });
    t.true(alice.node.lines.some((line) => line.includes("not everything stopped in time")));
  },
);
