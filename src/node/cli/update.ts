/** `qkd-node update`: the software of an appliance, what runs and a new one. */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { resolve } from "node:path";
import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { softwareVersion } from "../../base/version.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { type Progress, progress } from "../../host/terminal/progress.ts";
import { facts, table, wrap } from "../../host/terminal/table.ts";
import { type Paint, type Terminal, tidy } from "../../host/terminal/terminal.ts";
import { bytes, duration } from "../../host/terminal/units.ts";
import { CliError, NotRunning, type Upload } from "../../ops/cli/client.ts";
import type { Acted } from "../../ops/cli/shapes.ts";
import { allowByRoot, takeBackAllowance } from "../../ops/update/allow.ts";
import { slotsOf } from "../../ops/update/appliance.ts";
import type { LastUpdate, UpdateStatus } from "../../ops/update/slots.ts";
import { tellActed } from "./acted.ts";
import { confirm } from "./confirm.ts";
import type { Context } from "./context.ts";

type Told = UpdateStatus & { readonly node?: string; readonly version: string };

const usage = "update install FILE|URL, update status";
const none = "this machine's software is not installed by images: there is nothing to update";
/** How often it is looked how an update is getting on, ms. */
const lookMs = 500;

export async function run(context: Context): Promise<number> {
  const [action, source, ...more] = context.positionals;
  if (action === "status" && source === undefined) return status(context);
  if (action === "install" && source !== undefined && more.length === 0) {
    return install(source, context);
  }
  throw new UsageError(usage);
}

async function status(context: Context): Promise<number> {
  const told = await look(context);
  context.print(told, () => statusLines(told, context.terminal));
  return told.appliance ? exit.ok : exit.unavailable;
}

/** The node's word, or what its machine tells while it does not run. @throws CliError */
async function look(context: Context): Promise<Told> {
  try {
    return await context.ask<Told>("update");
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    const slots = slotsOf();
    if (!slots.appliance) throw error;
    return { version: softwareVersion, ...slots };
  }
}

export function statusLines(
  told: Told,
  { paint, width }: Pick<Terminal, "paint" | "width">,
): string[] {
  const { node, version, appliance, board, running, other, next, trial, under_way, last } = told;
  const head = `${node === undefined ? "the node does not run" : paint.bold(tidy(node))}  version ${tidy(version)}`;
  if (!appliance) return [head, none];
  if (running === undefined || other === undefined) {
    return [head, "which slot runs is not known: the machine has not told since its start"];
  }
  const rows = [
    [running.slot, paint.good("running"), tidy(running.version)],
    [other.slot, other.good ? "good" : paint.warn("bad"), tidy(other.version ?? "–")],
  ].map((row) => [...row, row[0] === next ? "next start" : ""]);
  const columns = [{ title: "SLOT" }, { title: "STATE" }, { title: "VERSION" }, { title: "" }];
  const lines: (readonly [string, string])[] = [];
  if (trial !== undefined) {
    const left = trial.left_s > 0 ? `${duration(trial.left_s)} left` : "time is over";
    const why = "until module, KM and manager are back; otherwise the machine goes back";
    lines.push(["on trial", `${left} (${trial.until}): ${why}`]);
  }
  if (under_way !== undefined) {
    const { phase, done, bundle } = under_way;
    lines.push(["under way", `${phaseText(phase, done)}: ${tidy(bundle)}`]);
  }
  if (last !== undefined) lines.push(["last update", lastText(last, paint)]);
  return [
    `${head}  board ${tidy(board ?? "")}`,
    "",
    ...table(columns, rows, width),
    ...(lines.length === 0 ? [] : ["", ...facts(lines, width)]),
  ];
}

function lastText({ status, reason, bundle, t }: LastUpdate, paint: Paint): string {
  const why = reason === undefined ? "" : `: ${tidy(reason)}`;
  const word = status === "installed" ? paint.good(status) : paint.bad(status);
  return `${word}${why} (${tidy(bundle)}, ${t})`;
}

function phaseText(phase: string, done: number | undefined): string {
  return `${phase}${done === undefined ? "" : ` ${Math.floor(done * 100)} %`}`;
}

async function install(source: string, context: Context): Promise<number> {
  const sha256 = context.text("sha256")?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new UsageError("--sha256: expected 64 hexadecimal digits");
  }
  const before = await context.ask<Told>("update");
  const { node = "", appliance, under_way } = before;
  if (!appliance) throw new CliError(none, exit.unavailable);
  if (under_way !== undefined) {
    throw new CliError(`another update is under way: ${tidy(under_way.bundle)}`, exit.tryAgain);
  }
  const url = source.startsWith("https://") ? source : undefined;
  if (url === undefined && source.includes("://")) {
    throw new UsageError("update install: a file, or an address that begins with https://");
  }
  const file = url === undefined ? readable(source) : undefined;
  const plan = ({ width }: Terminal) => ({
    lines: wrap(planText(before), width),
    questions: [["Type the node's ID to go on: ", node]] as const,
  });
  const confirmed = await confirm("update", node, context, plan);
  if (context.text("yes") !== undefined && !context.json) {
    for (const line of plan(context.terminal).lines) context.terminal.say(line);
  }
  const downgrade = context.values["allow-downgrade"] === true;
  // The node is not believed about it: root says so itself, and for this bundle alone.
  if (downgrade) allow(sha256);
  const common = { ...confirmed, ...(downgrade && { allow_downgrade: true }) };
  const bar = progress(process.stderr, process.env, !context.json);
  const begin = () =>
    file === undefined
      ? context.ask<Acted>("install_update", {
          ...common,
          bundle: source,
          ...(sha256 !== undefined && { sha256 }),
        })
      : sent(file, sha256, common, bar, context);
  const acted = await carryOut(begin, before, bar, context).finally(() => {
    bar.end();
    if (downgrade) takeBackAllowance();
  });
  const code = tellActed(context, acted, "update");
  if (acted.status === "done" && !context.json) {
    context.terminal.say(`the machine starts from slot ${before.other?.slot ?? "?"} now, on trial`);
  }
  return code;
}

/** Says as root that an older version may go in. @throws CliError, UsageError */
function allow(sha256: string | undefined): void {
  if (sha256 === undefined) {
    throw new UsageError("--allow-downgrade: --sha256 says which bundle is meant");
  }
  try {
    allowByRoot(sha256);
  } catch {
    throw new CliError("an older version is for root or the manager to allow", exit.noPermission);
  }
}

/** Begins it, and follows it to its end. @throws CliError */
async function carryOut(
  begin: () => Promise<Acted>,
  before: Told,
  bar: Progress,
  context: Context,
): Promise<Acted> {
  const begun = await begin();
  if (begun.status !== "done") return begun;
  const { status, reason } = await ended(before, bar, context);
  return {
    ...begun,
    status: status === "installed" ? "done" : "failed",
    ...(reason !== undefined && { reason }),
  };
}

function planText({ node = "", running, other }: Told): string {
  if (running === undefined || other === undefined) {
    return `${tidy(node)}: the bundle goes to the slot that does not run. Then the node stops in order, and the machine starts from there, on trial.`;
  }
  const from = `${tidy(node)} runs ${tidy(running.version)} from slot ${running.slot}.`;
  const to = `The bundle goes to slot ${other.slot}; then the node stops in order (keys wait in the modules), and the machine starts from slot ${other.slot}, on trial: if module, KM and manager are not back in time it goes back to slot ${running.slot} by itself.`;
  return `${from} ${to}`;
}

interface BundleFile {
  readonly path: string;
  readonly size: number;
}

/** @throws CliError */
function readable(source: string): BundleFile {
  const path = resolve(source);
  try {
    const stats = statSync(path);
    if (stats.isFile() && stats.size > 0) return { path, size: stats.size };
  } catch (error) {
    throw unreadable(path, error);
  }
  throw new CliError(`${path}: no bundle`, exit.io);
}

function unreadable(path: string, error: unknown): CliError {
  return new CliError(`${path}: cannot be read: ${errorCode(error)}`, exit.io);
}

/** Sends the bundle to the node: it may not be able to see what who asks can see. @throws CliError */
async function sent(
  { path, size }: BundleFile,
  expected: string | undefined,
  common: Readonly<Record<string, string | boolean>>,
  bar: Progress,
  context: Context,
): Promise<Acted> {
  const read = async function* (what: string): AsyncGenerator<Buffer> {
    let done = 0;
    try {
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        yield chunk;
        done += chunk.length;
        bar.show(done / size, `${what} ${bytes(done)} of ${bytes(size)}`);
      }
    } catch (error) {
      throw errorCode(error) === undefined ? error : unreadable(path, error);
    }
  };
  const hash = createHash("sha256");
  for await (const chunk of read("reading")) hash.update(chunk);
  const sha256 = hash.digest("hex");
  if (expected !== undefined && expected !== sha256) {
    throw new CliError(`${path}: its SHA-256 is ${sha256}`, exit.failed);
  }
  const upload: Upload = { bytes: size, chunks: () => read("sending") };
  return context.ask<Acted>("install_update", { ...common, bytes: size, sha256 }, upload);
}

/** Follows it to its end. @throws CliError if the node goes before */
async function ended(before: Told, bar: Progress, context: Context): Promise<LastUpdate> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    let now: Told;
    try {
      now = await context.ask<Told>("update");
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      // Others may have asked as well.
      if (error.exitCode === exit.tryAgain) continue;
      const what = "the node went away before it said how the update ended; see: update status";
      throw new CliError(what, exit.unavailable);
    }
    const { under_way, last } = now;
    if (under_way !== undefined) {
      bar.show(under_way.done ?? 0, phaseText(under_way.phase, under_way.done));
    } else if (last !== undefined && last.t !== before.last?.t) {
      return last;
    } else {
      throw new CliError("the node forgot the update: it was started anew", exit.failed);
    }
  }
}
