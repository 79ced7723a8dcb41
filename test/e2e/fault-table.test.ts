/** Faults of a real link: what every surface of the node says, and that it is the same. */
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { neverAnswer } from "../emulator/km/index.ts";
import { presets } from "../emulator/physics/bb84.ts";
import { PhysicalLink } from "../emulator/physics/link.ts";
import { physicsSource } from "../emulator/source/physics.ts";
import { type FaultRow, faults } from "../fixtures/faults.ts";
import { problemsOf, qkdNode } from "../rig/cli.ts";
import type { Rig } from "../rig/rig.ts";
import { pageState, type Surfaces, surfacesOf } from "../rig/surfaces.ts";
import { deadline, withRig } from "../rig/with-rig.ts";

const rowOf = (fault: string) => faults.find((row) => row.fault === fault) as FaultRow;

/** Waits until the page has the fault's verdict. @returns seconds that it took */
async function until(rig: Rig, fault: string): Promise<number> {
  const begun = performance.now();
  const { verdict } = rowOf(fault);
  const signal = deadline();
  for (;;) {
    const [module] = (await pageState(rig.alice))?.modules ?? [];
    if (module?.condition.code === verdict) return (performance.now() - begun) / 1_000;
    if (signal.aborted) throw new Error(`${fault}: still ${JSON.stringify(module?.condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Every surface says the verdict of the table's row, and its grave alarms are raised. */
async function agree(t: ExecutionContext, rig: Rig, fault: string): Promise<void> {
  const { verdict, ready, alarms, says } = rowOf(fault);
  const grave = alarms.filter((one) => one.endsWith("major")).map((one) => one.split(" ")[0]);
  const raised = async () => (await pageState(rig.alice))?.alarms.map(({ name }) => name) ?? [];
  const signal = deadline();
  for (let now = await raised(); !grave.every((name) => now.includes(name as string)); ) {
    if (signal.aborted) throw new Error(`${fault}: ${now.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    now = await raised();
  }
  const agreed = ({ verdicts, ready: readies }: Surfaces) =>
    Object.values(verdicts).every((code) => code === verdict) &&
    Object.values(readies).every((is) => is === ready);
  // Each surface has its own pace: the manager is told over the broker.
  let told = await surfacesOf(rig, rig.alice);
  while (!agreed(told) && !signal.aborted) told = await surfacesOf(rig, rig.alice);
  for (const [surface, code] of Object.entries(told.verdicts)) t.is(code, verdict, surface);
  for (const [surface, is] of Object.entries(told.ready)) t.is(is, ready, `${fault}: ${surface}`);
  t.regex(told.heads.status ?? "", says);
}

test.serial("no green tick without keys: faults of one link, on every surface", async (t) => {
  t.timeout(120_000);
  const link = new PhysicalLink(presets.gys, { km: 20 }, 1, false);
  const clock = systemClock;
  const source = physicsSource({ name: "faults", link, seed: 1, seconds: 1, clock });
  const options = { source, link, blockIntervalMs: 200, keyBits: 256, answerTimeout: 2 };
  await withRig(options, async (rig) => {
    const { alice } = rig;
    const where = ["--config", join(rig.folder, `${alice.nodeId}.toml`)];
    await rig.until(() => alice.page !== undefined && rig.holds(10), deadline());
    await until(rig, "none");
    await agree(t, rig, "none");

    const heal = alice.km.behave(neverAnswer("before answering"));
    const seconds = await until(rig, "KM never answers");
    t.true(seconds < 30, `${seconds} s`);
    await agree(t, rig, "KM never answers");
    await alice.node.stop();
    alice.node.start();
    await rig.until(() => alice.node.lines.some((line) => line.includes("boot=2")), deadline());
    await until(rig, "KM never answers, after a restart");
    await agree(t, rig, "KM never answers, after a restart");
    heal();
    await until(rig, "none");

    link.change("loss", 100);
    t.true((await until(rig, "fibre cut")) < 30);
    await rig.until(() => rig.view.node(alice.nodeId).link === "OFF", deadline());
    await agree(t, rig, "fibre cut");
    link.change("loss", 0);
    await until(rig, "none");

    t.is((await qkdNode(["stop", "alice", ...where])).code, 0);
    await until(rig, "stopped by somebody");
    await alice.node.stop();
    alice.node.start();
    await rig.until(() => alice.node.lines.some((line) => line.includes("boot=3")), deadline());
    await until(rig, "stopped by somebody");
    const status = await qkdNode(["status", ...where, "--json"]);
    t.deepEqual(problemsOf("status", status.out), []);
    t.regex(JSON.parse(status.out).modules[0].health.text, /^Stopped by local uid \d+ at 20/);
    t.is((await qkdNode(["start", "alice", ...where])).code, 0);
    await until(rig, "none");
  });
});
