/** The commands `doctor` and `support-bundle` of a program: what is wrong, and one file for who helps from afar. */
import { resolve } from "node:path";
import { parse } from "smol-toml";
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { readConfigBytes } from "../../host/config/read-bytes.ts";
import { progress } from "../../host/terminal/progress.ts";
import { noColours, type Terminal } from "../../host/terminal/terminal.ts";
import { bytes } from "../../host/terminal/units.ts";
import { type BundleKind, makeBundle } from "../bundle/bundle.ts";
import { ask, type Who } from "../cli/client.ts";
import type { Report } from "../doctor/finding.ts";
import { reportLines } from "../doctor/tell.ts";
import { controlSocket } from "../local/paths.ts";
import type { LocalRequest, ReadName } from "../local/protocol.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "../support/machine.ts";
import { writeBundle } from "./write-bundle.ts";

export interface Asked {
  /** The configuration's file. */
  readonly file: string;
  readonly json: boolean;
  readonly terminal: Terminal;
}

/** Asks the running program. @throws CliError if it does not run, or may not be asked */
export type AskRunning = (name: ReadName, args?: LocalRequest["args"]) => Promise<unknown>;

/** Which program it is. */
export interface DoctorOf {
  readonly who: Who;
  /** Its table of the configuration that has `state_dir`. */
  readonly table: string;
  /** Where systemd has it make its control socket. */
  readonly standardSocket: string;
  /** Control sockets of a good configuration. @throws ConfigError */
  readonly sockets: (file: string) => readonly string[];
  readonly examine: (
    file: string,
    ask: AskRunning,
    onStep: (what: string, done: number) => void,
  ) => Promise<Report>;
  /** What its bundle has in it. @param wall ms since 1970 UTC */
  readonly bundle: (file: string, wall: number) => BundleKind;
  /** What of a configuration may be shown. */
  readonly redacted: (table: unknown) => unknown;
}

/** As TOML, good or not; undefined if it is none. */
function tableOf(file: string): unknown {
  try {
    return parse(readConfigBytes(file).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** State folder and socket, as far as the file says them. */
function placesOf(file: string, name: string) {
  const table = (tableOf(file) ?? {}) as Readonly<
    Record<string, { readonly state_dir?: unknown; readonly socket?: unknown } | undefined>
  >;
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  return { folder: text(table[name]?.state_dir), socket: text(table.local?.socket) };
}

function socketsOf(program: DoctorOf, file: string): readonly string[] {
  try {
    return program.sockets(file);
  } catch {
    // With a mistake in it there may still be enough to find the socket.
  }
  const { folder, socket } = placesOf(file, program.table);
  const own =
    socket === undefined && folder === undefined ? [] : [controlSocket(socket, folder ?? "")];
  return [...own, program.standardSocket];
}

/** Asks the program of a configuration, be that good or not. */
function asker(program: DoctorOf, file: string): AskRunning {
  return (name, args = {}) => ask(socketsOf(program, file), name, args, undefined, program.who);
}

async function consult(program: DoctorOf, file: string, shows: boolean): Promise<Report> {
  const bar = progress(process.stderr, process.env, shows);
  try {
    const onStep = (what: string, done: number) => bar.show(done, what);
    return await program.examine(file, asker(program, file), onStep);
  } finally {
    bar.end();
  }
}

/** @returns the exit code: 1 if a check failed */
export async function doctor(program: DoctorOf, { file, json, terminal }: Asked): Promise<number> {
  const report = await consult(program, resolve(file), !json);
  if (json) terminal.pass(JSON.stringify(report));
  else {
    const { paint, width } = terminal;
    for (const line of reportLines(report, paint, width)) terminal.say(line);
  }
  return report.status === "fail" ? exit.failed : exit.ok;
}

/** @param wanted where to; undefined: a name of its own, here @throws CliError */
export async function supportBundle(
  program: DoctorOf,
  { file, json, terminal }: Asked,
  wanted: string | undefined,
): Promise<number> {
  // First: without a folder to put it into there is nothing to gather.
  const here = wanted === undefined ? resolve(".") : "";
  const path = resolve(file);
  const { folder } = placesOf(path, program.table);
  const wall = Date.now();
  const table = tableOf(path);
  const bar = progress(process.stderr, process.env, !json);
  const bundle = await makeBundle({
    kind: program.bundle(path, wall),
    ask: asker(program, path),
    configuration: () => {
      if (table === undefined) throw new Error(`${path} cannot be read`);
      return program.redacted(table);
    },
    examine: () => consult(program, path, false),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines(program.who.command),
    machine: machineFacts,
    stateFiles: () => (folder === undefined ? "not known" : stateFiles(folder)),
    secrets: () => secretsOf(table, path),
    wall,
    onStep: (what, done) => bar.show(done, what),
  }).finally(() => bar.end());
  const target = resolve(here, wanted ?? bundle.name);
  writeBundle(target, bundle.archive);
  const { archive, members } = bundle;
  if (json) terminal.pass(JSON.stringify({ file: target, bytes: archive.length, members }));
  else terminal.say(`${target}: ${bytes(archive.length)}, ${counted(members.length, "file")}`);
  return exit.ok;
}
