/** `npm start -- --link`: a whole QKD link on this machine, and a look at it. */
import { systemClock } from "../../src/base/clock.ts";
import { Rig } from "../../test/rig/rig.ts";
import { ShownApplications } from "./applications.ts";
import type { View } from "./display.ts";
import { ShownKms } from "./kms.ts";
import type { DemoOptions } from "./options.ts";
import { isInteractive, type Stage } from "./perform.ts";
import { makeReport } from "./report.ts";
import { createScenes, type Scene } from "./scenes.ts";
import { line, picture, qberOf, type ScreenState } from "./screen.ts";
import { createSource } from "./source.ts";
import type { Warnings } from "./warnings.ts";

const clock = systemClock;

interface Shown {
  readonly kms: ShownKms | undefined;
  readonly applications: ShownApplications | undefined;
  readonly source: string;
  readonly begun: number;
  readonly scenes: readonly Scene[];
}

const window = 5_000;

/** The picture of both ends, or the lines. */
function createView(rig: Rig, { kms, applications, source, begun, scenes }: Shown): View {
  const samples: { at: number; bits: readonly number[] }[] = [];
  const qbers: (number | undefined)[][] = [[], []];
  const state = (now: number): ScreenState => {
    const bits = rig.ends.map((end) => rig.bitsAt(end));
    samples.push({ at: now, bits });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > window) samples.shift();
    const first = samples[0] as { at: number; bits: readonly number[] };
    const seconds = Math.max(1, (now - first.at) / 1_000);
    const over = (i: number) => ((bits[i] ?? 0) - (first.bits[i] ?? 0)) / seconds;
    return {
      source,
      kms,
      applications,
      seconds: (now - begun) / 1_000,
      rates: [over(0), over(1)],
      qbers,
      scenes,
    };
  };
  return {
    remember() {
      for (const [i, end] of rig.ends.entries()) {
        qbers[i]?.push(end.node.running ? qberOf(rig, end) : undefined);
      }
    },
    line: (now) => line(rig, state(now)),
    picture: (now, paint, size, happened) => picture(rig, { ...state(now), happened, size }, paint),
  };
}

/** Everything that was distilled is released or kept back, and with key managers compared. */
function settled(rig: Rig, kms: ShownKms | undefined): boolean {
  return rig.settled() && (kms?.settled ?? true);
}

/** Both KMs hold that many keys, the same where that can be seen. */
function enough(rig: Rig, kms: ShownKms | undefined, keys: number): boolean {
  if (kms !== undefined) return kms.compared >= keys;
  return rig.holds(keys) && (!rig.comparable || rig.compare().common >= keys);
}

/** Two nodes, two key managers, and the link between them. @param stop ends the start, which throws then */
export async function beginLink(
  options: DemoOptions,
  begun: number,
  stop: AbortSignal,
  warnings: Warnings,
): Promise<Stage> {
  const made = createSource(options, clock);
  const { source, physics } = made;
  const rig = await Rig.start({
    source,
    ...(physics !== undefined && { link: physics.link }),
    stop,
    baud: options.baud,
    blockIntervalMs: options.blockIntervalMs,
    secureBroker: true,
    kmAt: options.kmAt,
    realKms: !options.testKm && Object.keys(options.kmAt).length === 0,
    // The recording is played faster than the fibre that follows: its average would make that one's low.
    extra: "[module.alarms]\nkey_rate_min = 1_000\n",
    ...(options.keyBits !== undefined && { keyBits: options.keyBits }),
    // Only what an operator should look at; the states are in the picture.
    onLog: (end, text) => warnings.hear(end, text),
  });
  const kms = rig.kms && new ShownKms(rig);
  const pauseMs = options.blockIntervalMs < 100 ? 50 : 1_000;
  const applications = rig.kms && new ShownApplications(rig.kms, pauseMs);
  const { keys } = options;
  const finite = keys !== undefined || source.total !== undefined;
  const scenes = isInteractive(options, finite) ? createScenes(rig, made, kms) : [];
  const isOver = () => settled(rig, kms) || (keys !== undefined && enough(rig, kms, keys));
  return {
    nodes: rig.ends.map(({ node }) => node),
    kms: rig.kms?.kms ?? [],
    applications,
    view: createView(rig, { kms, applications, source: source.name, begun, scenes }),
    finite,
    scenes,
    until: (...args) => rig.until(...args),
    progress: () =>
      rig.ends.reduce((sum, end) => {
        const { events } = rig.view.node(end.nodeId);
        return sum + rig.keysAt(end) + events.size;
      }, 0),
    ready: () => kms?.ready ?? false,
    over: isOver,
    told: () => rig.told() && (kms?.told ?? true),
    agree: async () => kms?.agree(),
    report: (seconds) => makeReport(rig, seconds, kms, applications),
    succeeded: isOver,
    async close() {
      kms?.stop();
      await rig.close();
    },
  };
}
