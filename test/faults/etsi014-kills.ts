/**
 * Two nodes with KMEs for modules, of which anything is killed while keys flow: nodes by SIGKILL, KMEs, the cable
 * between the drivers; and the KMEs change their dialect. What is left is compared in three ledgers: of the KMEs,
 * and of both KMs.
 */
import { random } from "../random.ts";
import { Etsi014Rig, ends } from "../rig/etsi014-rig.ts";
import type { KmeSettings } from "../rig/kme-pair.ts";

export interface Etsi014Kills {
  readonly kills: number;
  /** Keys that both KMs have. */
  readonly keys: number;
  /** Keys that a KME handed over and neither KM has. */
  readonly lost: number;
  readonly broken: readonly string[];
}

/** As a KME that is well. */
const well: KmeSettings = {
  cut: 0,
  silent: 0,
  busy: 0,
  fewer: 0,
  repeat: 0,
  expire: 0,
  late: 0,
  lag: 0,
  chunked: 0,
  texts: 0,
  empty: 503,
  unknown: 400,
  http: "1.1",
  most: 128,
  per_second: 0,
};

function drawSettings(draw: () => number): KmeSettings {
  const pick = <T>(...list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  return {
    cut: pick(0, 0, 0.05),
    silent: pick(0, 0, 0.05),
    busy: pick(0, 0.2),
    fewer: pick(0, 0.3),
    repeat: pick(0, 0, 0.1),
    expire: pick(0, 0, 0.01),
    late: pick(0, 0.02),
    lag: pick(0, 0.3),
    chunked: pick(0, 1),
    texts: pick(0, 1),
    empty: pick(503, 503, 429),
    unknown: pick(400, 404, 410),
    http: pick("1.0", "1.1"),
    most: pick(1, 16, 128),
    per_second: pick(0, 0, 40),
  };
}

/** @param kills of anything */
export async function killEtsi014(kills: number, seed: number): Promise<Etsi014Kills> {
  const draw = random(seed);
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const kme = "batch = 32\npatience_s = 0.5\ntimeout_s = 3";
  await using rig = await Etsi014Rig.start({ settings: { auto: 100, seed }, kme });
  await rig.holds(1);
  for (let n = 0; n < kills; n++) {
    const what = draw();
    const end = draw() < 0.5 ? ("a" as const) : ("b" as const);
    if (what < 0.5) {
      await rig.nodes[end].stop("SIGKILL");
      rig.nodes[end].start();
    } else if (what < 0.75) {
      rig.cable.cut();
    } else {
      const which = [end === "a" ? 0 : 1] as const;
      await rig.pair.ask({ down: which, set: drawSettings(draw) });
      await pause(draw() * 300);
      await rig.pair.ask({ up: which });
    }
    await pause(draw() < 0.3 ? draw() * 300 : draw() * 1_500);
  }
  // Both KMEs serve by what is set now.
  await rig.pair.ask({ down: [0, 1], set: { ...well, auto: 0 } });
  await rig.pair.ask({ up: [0, 1] });
  await rig.settled(120_000);
  await Promise.all(ends.map((end) => rig.nodes[end].stop()));
  return { kills, ...(await rig.audit()) };
}
