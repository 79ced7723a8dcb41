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
import { withRig } from "../rig/with-rig.ts";

const rowOf = (fault: string) => faults.find((row) => row.fault === fault) as FaultRow;

/** Waits until the page has the fault's verdict. @returns seconds that it took */
async function comes(rig: Rig, fault: string): Promise<number> {
  const begun = performance.now();
  const { verdict } = rowOf(fault);
  const condition = async () => (await pageState(rig.alice))?.modules[0]?.condition;
  await rig.until(fault, condition, { when: (shown) => shown?.code === verdict });
  return (performance.now() - begun) / 1_000;
}

/** Every surface says the verdict of the table's row, and its grave alarms are raised. */
async function agree(t: ExecutionContext, rig: Rig, fault: string): Promise<void> {
  const { verdict, ready, alarms, says } = rowOf(fault);
  const grave = alarms.filter((one) => one.endsWith("major")).map((one) => one.split(" ")[0]);
  const raised = async () => (await pageState(rig.alice))?.alarms.map(({ name }) => name) ?? [];
  await rig.until(`${fault}: alarms`, raised, {
    when: (now) => grave.every((name) => now.includes(name as string)),
  });
  const agreed = ({ verdicts, ready: readies }: Surfaces) =>
    Object.values(verdicts).every((code) => code === verdict) &&
    Object.values(readies).every((is) => is === ready);
  // Each surface has its own pace: the manager is told over the broker.
  const surfaces = () => surfacesOf(rig, rig.alice);
  const told = await rig.until(`${fault}: all surfaces say it`, surfaces, { when: agreed });
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
    await rig.until("page and keys", () => alice.page !== undefined && rig.holds(10));
    await comes(rig, "none");
    await agree(t, rig, "none");

    const heal = alice.km.behave(neverAnswer("before answering"));
    const seconds = await comes(rig, "KM never answers");
    t.true(seconds < 30, `${seconds} s`);
    await agree(t, rig, "KM never answers");
    await alice.node.stop();
    alice.node.start();
    await rig.until("boot 2", () => alice.node.lines.some((line) => line.includes("boot=2")));
    await comes(rig, "KM never answers, after a restart");
    await agree(t, rig, "KM never answers, after a restart");
    heal();
    await comes(rig, "none");

    link.change("loss", 100);
    t.true((await comes(rig, "fibre cut")) < 30);
    await rig.until("the link to the module", () => rig.view.node(alice.nodeId).link, {
      is: "OFF",
    });
    await agree(t, rig, "fibre cut");
    link.change("loss", 0);
    await comes(rig, "none");

    t.is((await qkdNode(["stop", "alice", ...where])).code, 0);
    await comes(rig, "stopped by somebody");
    await alice.node.stop();
    alice.node.start();
    await rig.until("boot 3", () => alice.node.lines.some((line) => line.includes("boot=3")));
    await comes(rig, "stopped by somebody");
    const status = await qkdNode(["status", ...where, "--json"]);
    t.deepEqual(problemsOf("status", status.out), []);
    t.regex(JSON.parse(status.out).modules[0].health.text, /^Stopped by local uid \d+ at 20/);
    t.is((await qkdNode(["start", "alice", ...where])).code, 0);
    await comes(rig, "none");
  });
});
