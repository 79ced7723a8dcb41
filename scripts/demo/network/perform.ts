/** A network from its beginning until it is told to stop. */
import { systemClock } from "../../../src/base/clock.ts";
import { display, hasScreen } from "../display.ts";
import { unlessInterrupted } from "../interruption.ts";
import type { DemoOptions } from "../options.ts";
import { printed } from "../output.ts";
import { type ShownNetwork, startNetwork } from "./network.ts";
import { networkLine, networkPicture } from "./screen.ts";
import { readShape } from "./shape.ts";

const clock = systemClock;
const say = (text: string) => process.stderr.write(`${text}\n`);

/** The object of `--json`. */
function reportOf({ shape, feeder, status }: ShownNetwork, seconds: number): object {
  const told = status();
  return {
    controller: {
      kms: shape.nodes.length,
      attached: told?.nodes.filter((one) => one.attached).length ?? 0,
      verdict: told?.verdict.code ?? "away",
    },
    links: shape.links.map(({ ends, lengthKm }, i) => ({
      ends,
      length_km: lengthKm,
      rate: Math.round(feeder.rates[i] ?? 0),
    })),
    pairs: (told?.pairs ?? []).map(({ a, b, route, stock_bits: stock }) => ({
      ends: [a, b].map((km) => km.replace(/^km-/, "")),
      route: route.map((km) => km.replace(/^km-/, "")),
      stock: stock ?? 0,
    })),
    keys: feeder.keys,
    failed: feeder.failed,
    seconds: Math.round(seconds * 1_000) / 1_000,
  };
}

/**
 * @param which name of a network, or its file
 * @param stop ends it
 * @returns the exit code
 * @throws UsageError, ConfigError
 */
export async function performNetwork(
  which: string,
  options: Pick<DemoOptions, "json">,
  stop: AbortSignal,
): Promise<number> {
  const shape = readShape(which);
  const begun = clock.now();
  const seconds = (now: number) => (now - begun) / 1_000;
  const count = `${shape.nodes.length} key managers and a controller start`;
  if (!options.json) say(`npm start: ${count}: that takes some seconds`);
  const onLog = (program: string, text: string) => {
    if (/level=error|^bootstrap/.test(text)) say(`${program}: ${text}`);
  };
  const network = await unlessInterrupted(stop, () => startNetwork(shape, stop, onLog));
  if (network === undefined) return 0;
  try {
    const quiet = options.json && !hasScreen();
    const shown = display(
      {
        remember: () => {},
        line: (now) => networkLine(network, seconds(now)),
        picture: (now, paint, size) => networkPicture(network, seconds(now), paint, size),
      },
      quiet,
    );
    if (!hasScreen()) say(`the map of the controller: ${network.controller.page}`);
    if (!stop.aborted) {
      await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
    }
    shown.stop();
    const report = reportOf(network, seconds(clock.now()));
    const untold = options.json ? await printed(JSON.stringify(report)) : undefined;
    if (untold === undefined) return 0;
    say(`npm start: ${untold.message}`);
    return 1;
  } finally {
    await network.close();
  }
}
