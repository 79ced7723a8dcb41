/** `qkd-km doctor`, `qkd-km support-bundle`: what is wrong, and one file for who helps from afar. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "smol-toml";
import { systemClock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { progress } from "../../host/terminal/progress.ts";
import { noColours, type Terminal } from "../../host/terminal/terminal.ts";
import { bytes } from "../../host/terminal/units.ts";
import { makeBundle } from "../../ops/bundle/bundle.ts";
import { ask, CliError } from "../../ops/cli/client.ts";
import type { Report } from "../../ops/doctor/finding.ts";
import { reportLines } from "../../ops/doctor/tell.ts";
import { controlSocket } from "../../ops/local/paths.ts";
import type { LocalRequest, ReadName } from "../../ops/local/protocol.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "../../ops/support/machine.ts";
import { kmBundle } from "../bundle/kind.ts";
import { type KmConfig, loadKmConfig, readKmConfig } from "../config/load.ts";
import { redactedTable } from "../config/redact.ts";
import { examine } from "../doctor/doctor.ts";
import { kmSockets, standardKmSocket } from "../local/local.ts";

const who = { called: "the key manager", command: "qkd-km" } as const;

interface Asked {
  /** The configuration's file. */
  readonly file: string;
  readonly json: boolean;
  readonly terminal: Terminal;
}

/** @returns the exit code: 1 if a check failed */
export async function doctor({ file, json, terminal }: Asked): Promise<number> {
  const report = await consult(resolve(file), !json);
  if (json) terminal.pass(JSON.stringify(report));
  else {
    const { paint, width } = terminal;
    for (const line of reportLines(report, paint, width)) terminal.say(line);
  }
  return report.status === "fail" ? exit.failed : exit.ok;
}

async function consult(file: string, shows: boolean): Promise<Report> {
  const bar = progress(process.stderr, process.env, shows);
  try {
    return await examine(
      {
        file,
        load: () => loadKmConfig(file),
        read: () => readKmConfig(file),
        ask: (name, args) => askOf(file, name, args),
        clock: systemClock,
        proc: "/proc",
        sys: "/sys",
      },
      (what, done) => bar.show(done, what),
    );
  } finally {
    bar.end();
  }
}

/** Asks the key manager of a configuration, be that good or not. @throws CliError */
function askOf(file: string, name: ReadName, args: LocalRequest["args"] = {}): Promise<unknown> {
  return ask(socketsOf(file), name, args, undefined, who);
}

function socketsOf(file: string): readonly string[] {
  try {
    return kmSockets(readKmConfig(file));
  } catch {
    // With a mistake in it there may still be enough to find the socket.
  }
  const { km, local } = (tableOf(file) ?? {}) as {
    km?: { state_dir?: unknown };
    local?: { socket?: unknown };
  };
  const socket = typeof local?.socket === "string" ? local.socket : undefined;
  const folder = typeof km?.state_dir === "string" ? km.state_dir : undefined;
  const own =
    socket === undefined && folder === undefined ? [] : [controlSocket(socket, folder ?? "")];
  return [...own, standardKmSocket];
}

/** As TOML, good or not; undefined if it is none. */
function tableOf(file: string): unknown {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** @param wanted where to; undefined: a name of its own, here @throws CliError */
export async function supportBundle(
  { file, json, terminal }: Asked,
  wanted: string | undefined,
): Promise<number> {
  // First: without a folder to put it into there is nothing to gather.
  const folder = wanted === undefined ? resolve(".") : "";
  const path = resolve(file);
  let config: KmConfig | undefined;
  try {
    config = readKmConfig(path);
  } catch {
    // The doctor says what is wrong with it.
  }
  const wall = Date.now();
  const table = tableOf(path);
  const bar = progress(process.stderr, process.env, !json);
  const bundle = await makeBundle({
    kind: kmBundle(config, wall),
    ask: (name, args) => askOf(path, name, args),
    configuration: () => {
      if (table === undefined) throw new Error(`${path} cannot be read`);
      return redactedTable(table);
    },
    examine: () => consult(path, false),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines("qkd-km"),
    machine: machineFacts,
    stateFiles: () => (config === undefined ? "not known" : stateFiles(config.km.state_dir)),
    secrets: () => secretsOf(table, path),
    wall,
    onStep: (what, done) => bar.show(done, what),
  }).finally(() => bar.end());
  const target = resolve(folder, wanted ?? bundle.name);
  try {
    writeFileSync(target, bundle.archive, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    const why = code === "EEXIST" ? "it is there already" : code;
    throw new CliError(`${target}: cannot be made: ${why}`, exit.cantCreate);
  }
  const { archive, members } = bundle;
  if (json) terminal.pass(JSON.stringify({ file: target, bytes: archive.length, members }));
  else terminal.say(`${target}: ${bytes(archive.length)}, ${counted(members.length, "file")}`);
  return exit.ok;
}
