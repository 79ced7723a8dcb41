/** A show from its beginning to its end: what is common to a link and a network. */
import { systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { Expected } from "../../test/eventually.ts";
import type { NodeProcess } from "../../test/rig/node-process.ts";
import type { ShownApplications } from "./applications.ts";
import { display, hasScreen, type View } from "./display.ts";
import {
  curlLine,
  endpointsOf,
  type ToldController,
  type ToldKm,
  writeEndpoints,
} from "./endpoints.ts";
import { unlessInterrupted } from "./interruption.ts";
import type { DemoOptions } from "./options.ts";
import { printed, reason } from "./output.ts";
import type { Report } from "./report.ts";
import { type Scene, takeKeys } from "./scenes.ts";
import { isError, Warnings } from "./warnings.ts";

const clock = systemClock;
const say = (text: string) => process.stderr.write(`${text}\n`);

/** What runs, and how it is seen. */
export interface Stage {
  readonly nodes: readonly NodeProcess[];
  /** The product's key managers that applications ask, the two of the curl line first and last; none with doubles. */
  readonly kms: readonly ToldKm[];
  /** Of a network. */
  readonly controller?: ToldController;
  readonly applications: ShownApplications | undefined;
  readonly view: View;
  /** It ends by itself: with `--keys`, or when its recording is exhausted. */
  readonly finite: boolean;
  readonly scenes: readonly Scene[];
  until(what: string, probe: () => boolean, more: Expected<boolean>): Promise<boolean>;
  /** Grows while anything happens. */
  progress(): number;
  /** Applications can have keys. */
  ready(): boolean;
  /** All of it is done. */
  over(): boolean;
  /** The manager was told of all. */
  told(): boolean;
  /** Until all key managers say the same, for a moment. */
  agree(): Promise<void>;
  report(seconds: number): Report;
  /** After {@link over}. */
  succeeded(): boolean;
  close(): Promise<void>;
}

/** Aborts `stop` when no key has arrived for too long. */
function patience(stage: Stage, seconds: number, stop: AbortController): () => void {
  let last = -1;
  let since = clock.now();
  const timer = setInterval(() => {
    const progress = stage.progress();
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
/** Keys that the applications of a run have at least, where there is stock. */
const leastKeys = 20;

/** A run that was over quickly: its applications ask on, in both directions, as long as there is stock. */
async function lastKeys(applications: ShownApplications | undefined): Promise<void> {
  while (applications !== undefined && applications.report.keys < leastKeys) {
    const got = [await applications.once("alice"), await applications.once("bob")];
    if (!got.includes(true)) return;
  }
}

/**
 * Once there are keys for applications: says where to ask, in a file and in a line, and what is wrong from then on.
 * @param ended by it the waiting ends
 * @param interrupted aborted when the file cannot be written
 * @returns why it could not. It is not thrown: before this is awaited that would end the process, and leave the programs
 * of the show running
 */
async function tellEndpoints(
  stage: Stage,
  { endpoints: file, json }: DemoOptions,
  warnings: Warnings,
  ended: AbortSignal,
  interrupted: AbortController,
): Promise<unknown> {
  const [first] = stage.kms;
  const last = stage.kms.at(-1);
  if (first === undefined || last === undefined) {
    // Doubles and KMs of others run already when the nodes start: what is told of them is true.
    warnings.tell();
    warnings.up();
    return undefined;
  }
  const forever = { signal: ended, deadlineMs: Number.POSITIVE_INFINITY };
  return await stage
    .until("keys for applications", () => stage.ready(), forever)
    .then(
      () => {
        warnings.up();
        try {
          if (file !== undefined) writeEndpoints(file, endpointsOf(stage.kms, stage.controller));
        } catch (error) {
          interrupted.abort(error);
          return error;
        }
        if (json || hasScreen()) return undefined;
        say(curlLine(first, last));
        const map = stage.controller?.page;
        if (map !== undefined) say(`the map of the controller: ${map}`);
        return undefined;
      },
      () => undefined,
    );
}

type Begin = (begun: number, warnings: Warnings) => Promise<Stage>;

/** From its beginning to its end, with all stopped. @param interrupted ends it before @returns the exit code */
export async function perform(
  options: DemoOptions,
  interrupted: AbortController,
  begin: Begin,
): Promise<number> {
  // Over a picture nothing is written, and lines for a person have what is wrong, not each reconnection.
  const warnings = new Warnings((line) => {
    if (options.json || (!hasScreen() && isError(line))) say(line);
  });
  let code = 1;
  try {
    code = await show(options, interrupted, warnings, begin);
    return code;
  } finally {
    // Told to stop it has not failed: the reason is a signal's name.
    if (code !== 0 && typeof interrupted.signal.reason !== "string") warnings.tell();
  }
}

async function show(
  options: DemoOptions,
  interrupted: AbortController,
  warnings: Warnings,
  begin: Begin,
): Promise<number> {
  const begun = clock.now();
  const stage = await unlessInterrupted(interrupted.signal, () => begin(begun, warnings));
  // What has an end of its own did not reach it.
  if (stage === undefined) return options.keys === undefined && !options.replay ? 0 : 1;
  const { applications, finite, scenes } = stage;
  try {
    const shown = display(stage.view, options.json && !hasScreen());
    const end = () => interrupted.abort("SIGINT");
    const giveBack = scenes.length > 0 ? takeKeys(scenes, shown.tell, end) : () => {};
    const stopPatience = finite ? patience(stage, options.patienceSeconds, interrupted) : () => {};
    let failure: unknown;
    const ended = new AbortController();
    const up = tellEndpoints(stage, options, warnings, ended.signal, interrupted);
    applications?.start();
    const ending = { signal: interrupted.signal, deadlineMs: Number.POSITIVE_INFINITY };
    await stage
      .until("the end of the run", () => stage.over(), ending)
      .catch((error) => {
        failure = error;
      });
    stopPatience();
    giveBack();
    // Events reach the manager a little after the keys their KMs: a node that stops tells no more.
    const late = { signal: interrupted.signal, deadlineMs: toldWithinMs };
    if (finite && failure === undefined) {
      await stage.until("all is told", () => stage.told(), late).catch(() => {});
    }
    ended.abort();
    const unwritten = await up;
    warnings.down();
    await applications?.stop();
    if (finite && failure === undefined) await lastKeys(applications);
    await Promise.all(stage.nodes.map((node) => node.stop()));
    await stage.agree();
    shown.stop();
    const report = stage.report((clock.now() - begun) / 1_000);
    const untold = options.json ? await printed(JSON.stringify(report)) : undefined;
    for (const wrong of new Set([failure, unwritten, untold])) {
      if (wrong instanceof Error) say(`npm start: ${reason(wrong)}`);
    }
    if (unwritten !== undefined || untold !== undefined) return 1;
    // Ctrl-C ends a run that had no end of its own.
    if (typeof failure === "string" && !finite) return report.mismatches === 0 ? 0 : 1;
    if (report.mismatches > 0 || (report.applications?.different ?? 0) > 0) return 1;
    return stage.succeeded() ? 0 : 1;
  } finally {
    applications?.close();
    await stage.close();
  }
}

/** Whether a run has no end of its own and is on a terminal. */
export function isInteractive({ json }: DemoOptions, finite: boolean): boolean {
  return !json && !finite && process.stdin.isTTY === true && hasScreen();
}
