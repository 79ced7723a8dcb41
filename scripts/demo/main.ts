/** `npm start`: a whole QKD link on this machine, and a look at it. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/port/clock.ts";
import { describe, Fault } from "../../src/port/errors.ts";
import { replaySource } from "../../test/emulator/source/replay.ts";
import { seedSource } from "../../test/emulator/source/seed.ts";
import { type BlockSource, chain } from "../../test/emulator/source/source.ts";
import { endNames, Rig } from "../../test/rig/rig.ts";
import { type DemoOptions, readOptions, UsageError, usage } from "./options.ts";
import { makeReport, type Report } from "./report.ts";
import { colours, line, noColours, picture, type ScreenState } from "./screen.ts";

const clock = systemClock;
const say = (text: string) => process.stderr.write(`${text}\n`);

const recordings = fileURLToPath(new URL("../../test/fixtures/qcrypto/", import.meta.url));

function createSource(options: DemoOptions): BlockSource {
  const { replay, seed, blockBits } = options;
  if (replay !== undefined) return replaySource(replay);
  const stream = seedSource({ seed: seed ?? 1, blockBits, clock });
  if (seed !== undefined) return stream;
  const recorded = readdirSync(recordings)
    .sort()
    .map((name) => replaySource([recordings + name]));
  return chain("recordings of a real QKD stack, then seed 1", [...recorded, stream]);
}

/** Keeps the picture, or the lines, up to date. @returns what stops it */
function show(rig: Rig, source: BlockSource, begun: number, quiet: boolean): () => void {
  if (quiet) return () => {};
  const terminal = process.stderr.isTTY === true;
  const window = 5_000;
  const samples: { at: number; bits: readonly number[] }[] = [];
  let height = 0;
  const draw = () => {
    const now = clock.now();
    const bits = endNames.map((name) => rig[name].km.store.summary().bits);
    samples.push({ at: now, bits });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > window) samples.shift();
    const first = samples[0] as { at: number; bits: readonly number[] };
    const seconds = Math.max(1, (now - first.at) / 1_000);
    const over = (i: number) => ((bits[i] ?? 0) - (first.bits[i] ?? 0)) / seconds;
    const state: ScreenState = {
      source: source.name,
      seconds: (now - begun) / 1_000,
      rates: [over(0), over(1)],
    };
    if (!terminal) {
      say(line(rig, state));
      return;
    }
    const paint = process.env.NO_COLOR === undefined ? colours : noColours;
    const lines = picture(rig, state, paint);
    const up = height === 0 ? "" : `\u001b[${height}A\r\u001b[J`;
    height = lines.length;
    say(up + lines.join("\n"));
  };
  const timer = setInterval(draw, terminal ? 250 : 1_000);
  return () => {
    clearInterval(timer);
    draw();
  };
}

/** Aborted by Ctrl-C, SIGTERM, or when no key has arrived for too long. */
function patience(rig: Rig, seconds: number, stop: AbortController): () => void {
  let last = -1;
  let since = clock.now();
  const timer = setInterval(() => {
    const progress = endNames.reduce((sum, name) => {
      const { events } = rig.view.node(rig[name].nodeId);
      return sum + rig[name].km.store.size + events.size;
    }, 0);
    if (progress !== last) {
      last = progress;
      since = clock.now();
    } else if (clock.now() - since > seconds * 1_000) {
      stop.abort(new Fault("kq1.timeout", "no key arrived", { limit_s: seconds }));
    }
  }, 200);
  return () => clearInterval(timer);
}

function succeeded(options: DemoOptions, rig: Rig, report: Report): boolean {
  if (report.mismatches > 0) return false;
  return rig.settled() || (options.keys !== undefined && rig.compare().common >= options.keys);
}

async function run(options: DemoOptions): Promise<number> {
  const begun = clock.now();
  const source = createSource(options);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => interrupted.abort(signal));
  }
  const rig = await Rig.start({
    source,
    baud: options.baud,
    blockIntervalMs: options.blockIntervalMs,
    ...(options.keyBits !== undefined && { keyBits: options.keyBits }),
    // Only what an operator should look at; the states are in the picture.
    onLog: (end, text) => {
      if (options.json && /level=(warn|error)|^bootstrap/.test(text)) say(`${end}: ${text}`);
    },
  });
  try {
    const finite = options.keys !== undefined || source.total !== undefined;
    const stopShow = show(rig, source, begun, options.json && !process.stderr.isTTY);
    const stopPatience = finite ? patience(rig, options.patienceSeconds, interrupted) : () => {};
    const { keys } = options;
    const enough = () =>
      rig.settled() || (keys !== undefined && rig.holds(keys) && rig.compare().common >= keys);
    let failure: unknown;
    await rig.until(enough, interrupted.signal).catch((error) => {
      failure = error;
    });
    stopPatience();
    await Promise.all(rig.ends.map(({ node }) => node.stop()));
    stopShow();
    const report = makeReport(rig, (clock.now() - begun) / 1_000);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    if (failure instanceof Fault) say(`npm start: ${describe(failure)}`);
    // Ctrl-C ends a run that had no end of its own.
    if (typeof failure === "string" && !finite) return report.mismatches === 0 ? 0 : 1;
    return succeeded(options, rig, report) ? 0 : 1;
  } finally {
    await rig.close();
  }
}

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== "help") return await run(options);
    process.stdout.write(usage);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      say(`npm start: ${error.message} (npm start -- --help tells more)`);
      return 64;
    }
    say(`npm start: ${describe(error)}`);
    return 1;
  }
}

process.exitCode = await main();
