/** The suite for KMEs against two key managers with a link between them: processes, TLS, real modules' keys. */
import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { ApplicationClient } from "../rig/application.ts";
import type { KmOfPair, KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { casesFor, kmeCases } from "./kme/suite.ts";
import type { Sae, Target } from "./kme/target.ts";
import { type Result, runAll } from "./run.ts";

const read = (file: string) => readFileSync(file, "utf8");

function saeOf(km: KmOfPair, index: 0 | 1): Sae {
  const { saeId: id, ca, cert, key } = km.applications[index] as (typeof km.applications)[0];
  const { hostname: host, port } = new URL(km.url);
  const door = { host, port: Number(port), serverName: `km-${km.end}`, prefix: "", ca: read(ca) };
  return { id, cert: read(cert), key: read(key), door };
}

async function target(t: ExecutionContext): Promise<Target> {
  const rig = await Rig.start({
    source: seedSource({ seed: 14, blockBits: 65_536, blocks: 60, clock: systemClock }),
    baud: 0,
    keyBits: 65_536,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const { alice, bob, authority } = rig.kms as KmPair;
  const client = new ApplicationClient(
    alice,
    alice.applications[0] as (typeof alice.applications)[0],
  );
  t.teardown(() => client.close());
  const stock = async () => {
    const { body } = await client.status("app-b");
    return (body as { stored_key_count: number }).stored_key_count;
  };
  await rig.until("keys are in stock", stock, { atLeast: 60 * 128 - 1_024 });
  const stranger = await authority.issue({
    commonName: "km-monitor",
    dns: ["km-monitor"],
    usage: "client",
  });
  return {
    master: saeOf(alice, 0),
    slave: saeOf(bob, 0),
    third: saeOf(bob, 1),
    stranger,
    answerMs: 20_000,
    tolerated: new Set(),
  };
}

test("cases have names of their own", (t) => {
  const ids = kmeCases.map(({ id }) => id);
  t.is(new Set(ids).size, ids.length);
  t.true(ids.length >= 100);
});

test.serial("two key managers pass all of it, and no dialect is needed", async (t) => {
  const cases = casesFor(await target(t));
  const report = await runAll("two key managers", cases);
  for (const { id, ms } of report.results) if (ms > 500) t.log(`${id} ${ms}`);
  // Where there is multicast, it cannot be tried that there is none.
  const wanted = ({ id }: Result) => (id === "multicast-none" ? "skipped" : "passed");
  const wrong = report.results.filter((one) => one.outcome !== wanted(one));
  t.deepEqual(wrong, []);
  t.deepEqual(
    report.results.filter(({ notes }) => notes.some((text) => text.includes("tolerated"))),
    [],
  );
});
