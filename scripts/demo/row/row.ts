/** `npm start`: three nodes in a row, whose ends share keys by relay. */
import { systemClock } from "../../../src/base/clock.ts";
import { type FibreEnd, NetworkRig } from "../../../test/rig/network-rig.ts";
import { ShownApplications } from "../applications.ts";
import type { View } from "../display.ts";
import type { DemoOptions } from "../options.ts";
import { isInteractive, type Stage } from "../perform.ts";
import { createSource } from "../source.ts";
import type { Warnings } from "../warnings.ts";
import { ShownController } from "./controller.ts";
import { NetworkKms } from "./kms.ts";
import { rowReport } from "./report.ts";
import { rowScenes } from "./scenes.ts";
import { qberOf, type RowState, rowLine, rowPicture } from "./screen.ts";

const clock = systemClock;

const places = ["alice", "bob", "carol"] as const;
const pairs = [
  ["alice", "bob"],
  ["bob", "carol"],
] as const;
const far = ["alice", "carol"] as const;

/** Key rates are over so long, ms. */
const window = 5_000;

type Seen = Omit<RowState, "seconds" | "rates" | "qbers" | "happened">;

function createView(rig: NetworkRig, seen: Seen, begun: number): View {
  const ends = rig.fibres.flatMap((fibre) => fibre.ends);
  const samples: { at: number; bits: readonly number[] }[] = [];
  const qbers: (number | undefined)[][] = ends.map(() => []);
  const state = (now: number): RowState => {
    const bits = ends.map(({ counters }) => counters.bits);
    samples.push({ at: now, bits });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > window) samples.shift();
    const first = samples[0] as { at: number; bits: readonly number[] };
    const seconds = Math.max(1, (now - first.at) / 1_000);
    const rates = bits.map((now, i) => (now - (first.bits[i] ?? 0)) / seconds);
    return { ...seen, seconds: (now - begun) / 1_000, rates, qbers };
  };
  return {
    remember() {
      for (const [i, end] of ends.entries()) qbers[i]?.push(qberOf(end));
    },
    line: (now) => rowLine(rig, state(now)),
    picture: (now, paint, size, happened) =>
      rowPicture(rig, { ...state(now), happened }, paint, size),
  };
}

/** Three nodes, four modules, three key managers. @param stop ends the start, which throws then */
export async function beginRow(
  options: DemoOptions,
  begun: number,
  stop: AbortSignal,
  warnings: Warnings,
): Promise<Stage> {
  const sources = pairs.map((_, i) => createSource(options, clock, i + 1));
  const [first] = sources;
  if (first === undefined) throw new Error("a network without a fibre");
  const rig = await NetworkRig.start({
    places,
    fibres: pairs.map((ends, i) => {
      const { source, physics } = sources[i] ?? first;
      return { ends, source, link: physics?.link };
    }),
    far: [
      {
        ends: far,
        // A pool that some blocks of a simulated fibre fill.
        table: (end) =>
          end === "alice"
            ? // The controller says which way; the list is what is left without it.
              `routing = "controller"\nroutes = [["km-bob"]]\nlow_bits = 16384\nhigh_bits = 65536\nbatch_bits = 4096`
            : "",
      },
    ],
    relay: (km) => (km === "bob" ? `transit = [["km-alice", "km-carol"]]` : ""),
    saes: (km) => [`app-${km.slice(0, 1)}`, `app-${km.slice(0, 1)}2`],
    controller: {
      bindings: { bob: "grpc" },
      spare: "spare",
      // Some blocks of a simulated fibre are plenty.
      tables: "[routing]\nlow_bits = 8192\nenough_bits = 16384\nsettle_s = 0\nhold_down_s = 5\n",
    },
    stop,
    baud: options.baud,
    blockIntervalMs: options.blockIntervalMs,
    keyBits: options.keyBits,
    // The recording is played faster than the fibre that follows: its average would make that one's low.
    module: "[module.alarms]\nkey_rate_min = 1_000\n",
    // Only what an operator should look at; the states are in the picture.
    onLog: (program, text) => warnings.hear(program, text),
  });
  const [one, other] = far;
  if (rig.controller === undefined) throw new Error("a network without a controller");
  const kms = new NetworkKms(rig, far);
  const controller = new ShownController(rig.controller, places, far);
  const pauseMs = options.blockIntervalMs < 100 ? 50 : 1_000;
  const asked = { alice: rig.place(one).km, bob: rig.place(other).km };
  const applications = new ShownApplications(asked, pauseMs);
  const { keys } = options;
  const finite = keys !== undefined || first.source.total !== undefined;
  const scenes = isInteractive(options, finite) ? rowScenes(rig, first, kms) : [];
  const ends: readonly FibreEnd[] = rig.fibres.flatMap((fibre) => fibre.ends);
  const isSettled = () => rig.settled() && kms.settled;
  const enough = () => keys !== undefined && kms.compared >= keys;
  const source = first.source.name;
  return {
    nodes: rig.places.map(({ node }) => node),
    kms: rig.places.map(({ km }) => km),
    controller: rig.controller,
    applications,
    view: createView(rig, { kms, controller, applications, source, scenes }, begun),
    finite,
    scenes,
    until: (...args) => rig.until(...args),
    progress: () =>
      ends.reduce((sum, end) => sum + end.counters.confirmed + rig.eventsOf(end).length, 0),
    ready: () => kms.ready && controller.ready,
    over: () => isSettled() || (enough() && kms.ready && controller.ready),
    told: () => rig.told() && kms.told,
    async agree() {
      await kms.agree();
      await controller.look();
    },
    report: (seconds) => rowReport(rig, seconds, { kms, controller, applications }),
    succeeded: () => isSettled() || enough(),
    async close() {
      kms.stop();
      controller.stop();
      await rig.close();
    },
  };
}
