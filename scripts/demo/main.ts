/** `npm start`: a whole QKD link on this machine, and a look at it. */
import { systemClock } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { Rig } from "../../test/rig/rig.ts";
import { ShownApplications } from "./applications.ts";
import { curlLine, endpointsOf, writeEndpoints } from "./endpoints.ts";
import { ShownKms } from "./kms.ts";
import { type DemoOptions, readOptions, UsageError, usage } from "./options.ts";
import { makeReport, type Report } from "./report.ts";
import { createScenes, type Scene, takeKeys } from "./scenes.ts";
import { colours, line, noColours, picture, qberOf, type ScreenState } from "./screen.ts";
import { createSource } from "./source.ts";

const clock = systemClock;
const say = (text: string) => process.stderr.write(`${text}\n`);

interface Shown {
  readonly kms: ShownKms | undefined;
  readonly applications: ShownApplications | undefined;
  readonly source: string;
  readonly begun: number;
  readonly scenes: readonly Scene[];
}

interface Show {
  /** A key was pressed, and this is what it did. */
  tell(text: string): void;
  stop(): void;
}

/** Keeps the picture, or the lines, up to date. */
function show(rig: Rig, { kms, applications, source, begun, scenes }: Shown, quiet: boolean): Show {
  if (quiet) return { tell: () => {}, stop: () => {} };
  const terminal = process.stderr.isTTY === true;
  const window = 5_000;
  const samples: { at: number; bits: readonly number[] }[] = [];
  let happened: { readonly text: string; readonly at: number } | undefined;
  let height = 0;
  const qbers: (number | undefined)[][] = [[], []];
  const remember = setInterval(() => {
    for (const [i, end] of rig.ends.entries()) {
      qbers[i]?.push(end.node.running ? qberOf(rig, end) : undefined);
    }
  }, 1_000);
  const draw = () => {
    const now = clock.now();
    const bits = rig.ends.map((end) => rig.bitsAt(end));
    samples.push({ at: now, bits });
    while (samples.length > 2 && now - (samples[0]?.at ?? now) > window) samples.shift();
    const first = samples[0] as { at: number; bits: readonly number[] };
    const seconds = Math.max(1, (now - first.at) / 1_000);
    const over = (i: number) => ((bits[i] ?? 0) - (first.bits[i] ?? 0)) / seconds;
    const { rows = 24, columns = 80 } = process.stderr;
    const state: ScreenState = {
      source,
      kms,
      applications,
      seconds: (now - begun) / 1_000,
      rates: [over(0), over(1)],
      qbers,
      scenes,
      happened: happened && { text: happened.text, ago: (now - happened.at) / 1_000 },
      // A terminal of unknown size says 0.
      size: { rows: rows || 24, columns: columns || 80 },
    };
    if (!terminal) {
      say(line(rig, state));
      return;
    }
    const paint = process.env.NO_COLOR === undefined ? colours : noColours;
    const lines = picture(rig, state, paint);
    // Written over line by line: to wipe it first flickers, and fills a terminal's memory with pictures.
    const up = height === 0 ? "" : `\u001b[${height}A\r`;
    height = lines.length;
    process.stderr.write(`${up}${lines.map((one) => `${one}\u001b[K\n`).join("")}\u001b[J`);
  };
  const timer = setInterval(draw, terminal ? 250 : 1_000);
  return {
    tell(text) {
      happened = { text, at: clock.now() };
      draw();
    },
    stop() {
      clearInterval(timer);
      clearInterval(remember);
      draw();
    },
  };
}

/** Aborted by Ctrl-C, SIGTERM, or when no key has arrived for too long. */
function patience(rig: Rig, seconds: number, stop: AbortController): () => void {
  let last = -1;
  let since = clock.now();
  const timer = setInterval(() => {
    const progress = rig.ends.reduce((sum, end) => {
      const { events } = rig.view.node(end.nodeId);
      return sum + rig.keysAt(end) + events.size;
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

/** The last events of a run are waited for this long, ms. */
const toldWithinMs = 5_000;

function succeeded(
  options: DemoOptions,
  rig: Rig,
  kms: ShownKms | undefined,
  report: Report,
): boolean {
  if (report.mismatches > 0 || (report.applications?.different ?? 0) > 0) return false;
  return settled(rig, kms) || (options.keys !== undefined && enough(rig, kms, options.keys));
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

/** Keys that the applications of a run have at least, where there is stock. */
const leastKeys = 20;

/** A run that was over quickly: its applications ask on, in both directions, as long as there is stock. */
async function lastKeys(applications: ShownApplications | undefined): Promise<void> {
  while (applications !== undefined && applications.report.keys < leastKeys) {
    const got = [await applications.once("alice"), await applications.once("bob")];
    if (!got.includes(true)) return;
  }
}

/** Once both ends have keys for applications: says where to ask, in a file and in a line. */
async function tellEndpoints(
  rig: Rig,
  kms: ShownKms,
  { endpoints: file, json }: DemoOptions,
  signal: AbortSignal,
): Promise<void> {
  const pair = rig.kms;
  if (pair === undefined) return;
  const ready = () => kms.ready;
  const forever = { signal, deadlineMs: Number.POSITIVE_INFINITY };
  await rig.until("keys for applications", ready, forever).then(
    () => {
      if (file !== undefined) writeEndpoints(file, endpointsOf(pair));
      if (!json && process.stderr.isTTY !== true) say(curlLine(pair));
    },
    () => {},
  );
}

async function run(options: DemoOptions): Promise<number> {
  const begun = clock.now();
  const made = createSource(options, clock);
  const { source, physics } = made;
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => interrupted.abort(signal));
  }
  const rig = await Rig.start({
    source,
    ...(physics !== undefined && { link: physics.link }),
    baud: options.baud,
    blockIntervalMs: options.blockIntervalMs,
    secureBroker: true,
    kmAt: options.kmAt,
    realKms: !options.testKm && Object.keys(options.kmAt).length === 0,
    // The recording is played faster than the fibre that follows: its average would make that one's low.
    extra: "[module.alarms]\nkey_rate_min = 1_000\n",
    ...(options.keyBits !== undefined && { keyBits: options.keyBits }),
    // Only what an operator should look at; the states are in the picture.
    onLog: (end, text) => {
      if (options.json && /level=(warn|error)|^bootstrap/.test(text)) say(`${end}: ${text}`);
    },
  });
  const kms = rig.kms && new ShownKms(rig);
  const pauseMs = options.blockIntervalMs < 100 ? 50 : 1_000;
  const applications = rig.kms && new ShownApplications(rig.kms, pauseMs);
  try {
    const { keys } = options;
    const finite = keys !== undefined || source.total !== undefined;
    const interactive = !options.json && process.stdin.isTTY && process.stderr.isTTY;
    const scenes = interactive && !finite ? createScenes(rig, made, kms) : [];
    const quiet = options.json && !process.stderr.isTTY;
    const shown = { kms, applications, source: source.name, begun, scenes };
    const picture = show(rig, shown, quiet);
    const end = () => interrupted.abort("SIGINT");
    const giveBack = scenes.length > 0 ? takeKeys(scenes, picture.tell, end) : () => {};
    const stopPatience = finite ? patience(rig, options.patienceSeconds, interrupted) : () => {};
    const over = () => settled(rig, kms) || (keys !== undefined && enough(rig, kms, keys));
    let failure: unknown;
    const ended = new AbortController();
    const up = kms && tellEndpoints(rig, kms, options, ended.signal);
    applications?.start();
    const ending = { signal: interrupted.signal, deadlineMs: Number.POSITIVE_INFINITY };
    await rig.until("the end of the run", over, ending).catch((error) => {
      failure = error;
    });
    stopPatience();
    giveBack();
    // Events reach the manager a little after the keys their KMs: a node that stops tells no more.
    const late = { signal: interrupted.signal, deadlineMs: toldWithinMs };
    const told = () => rig.told() && (kms?.told ?? true);
    if (finite && failure === undefined) await rig.until("all is told", told, late).catch(() => {});
    ended.abort();
    await up;
    await applications?.stop();
    if (finite && failure === undefined) await lastKeys(applications);
    await Promise.all(rig.ends.map(({ node }) => node.stop()));
    await kms?.agree();
    picture.stop();
    const report = makeReport(rig, (clock.now() - begun) / 1_000, kms, applications);
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    if (failure instanceof Fault) say(`npm start: ${describe(failure)}`);
    // Ctrl-C ends a run that had no end of its own.
    if (typeof failure === "string" && !finite) return report.mismatches === 0 ? 0 : 1;
    return succeeded(options, rig, kms, report) ? 0 : 1;
  } finally {
    kms?.stop();
    applications?.close();
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
