import test, { type ExecutionContext } from "ava";
import { patience } from "../patience.ts";
import { PanelRig } from "../rig/panel-rig.ts";

/**
 * A node is killed at every step of what tampering brings about. A step is what can be seen of it from
 * outside: a time after the report, a line in the log, the module that was told, the lamp that says it
 * is on disk.
 */
type Step = readonly [what: string, reached: (bench: PanelRig, trip: number) => Promise<unknown>];

const logged = (bench: PanelRig, pattern: RegExp) =>
  bench.rig.alice.node.logged(pattern, patience(20_000));
const onDisk: Step = [
  "it is on disk",
  (bench) => bench.until("lamp", () => bench.controller.shows("tamper", "red")),
];
const steps: readonly Step[] = [
  ["it has just been reported", async () => {}],
  [
    "half a round trip after the report",
    (_, trip) => new Promise((resolve) => setTimeout(resolve, trip / 2)),
  ],
  ["supply has stopped", (bench) => logged(bench, /tampering: supply has stopped/)],
  [
    "the module was told",
    (bench) => bench.until("told", () => bench.zeroized.length, { atLeast: 1 }),
  ],
  onDisk,
  ["the module has done it", (bench) => logged(bench, /msg="module zeroized"/)],
];

/** Kills the node at the step, and starts it again: with the same controller, or with a fresh one. */
async function story(t: ExecutionContext, [, reached]: Step, fresh: boolean): Promise<void> {
  await PanelRig.with({ onTamper: "zeroize" }, async (bench) => {
    const { controller, rig } = bench;
    await bench.flowing();
    await bench.until("heard", () => bench.status?.panel?.presence, { is: "ok" });
    const trip = await bench.roundTrip();
    controller.contact(1, true);
    controller.contact(1, false);
    await reached(bench, trip);
    await rig.alice.node.stop("SIGKILL");
    if (fresh) controller.replace();
    // What was in the socket is read: the KM has seen the connection's end behind it.
    await bench.until("the connection's end", () => rig.alice.km.counts.open, { is: 0 });
    const { length } = bench.keys;
    rig.alice.node.start();
    await bench.until("up again", () => bench.status?.boot, { is: 2 });
    await bench.until("latched", () => bench.status?.panel?.tamper, { is: "latched" });
    await bench.until("zeroized", () => rig.pair.alice.module.zeroized);
    await bench.until("done", () => bench.status?.panel?.zeroize !== "pending");
    await bench.until("alarm", () => bench.alarm("tamper.node")?.active, { is: true });
    t.is(bench.keys.length, length, "no key after the restart");
  });
}

for (const step of steps) {
  test.serial(`killed when ${step[0]}: it starts latched, and supplies nothing`, (t) =>
    story(t, step, false),
  );
}

test.serial("killed when it is on disk, and the controller exchanged: latched all the same", (t) =>
  story(t, onDisk, true),
);
