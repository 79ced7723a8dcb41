/** `qkd-node support-bundle`: one file for who helps from afar. */
import { resolve } from "node:path";
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { progress } from "../../host/terminal/progress.ts";
import { noColours } from "../../host/terminal/terminal.ts";
import { bytes } from "../../host/terminal/units.ts";
import { makeBundle } from "../../ops/bundle/bundle.ts";
import { reportLines } from "../../ops/doctor/tell.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "../../ops/support/machine.ts";
import { writeBundle } from "../../ops/support/write-bundle.ts";
import { nodeBundle } from "../bundle/kind.ts";
import type { Config } from "../config/load.ts";
import { redactedTable } from "../config/redact.ts";
import type { Context } from "./context.ts";
import { consult } from "./doctor.ts";
import { configFile, readTable } from "./where.ts";

export async function run(context: Context): Promise<number> {
  // First: without a folder to put it into there is nothing to gather.
  const [wanted] = context.positionals;
  const folder = wanted === undefined ? resolve(".") : "";
  const file = configFile(context.where);
  let config: Config | undefined;
  try {
    config = (await context.readers()).readConfig(file);
  } catch {
    // The doctor says what is wrong with it.
  }
  const table = await readTable(file).catch(() => undefined);
  const bar = progress(process.stderr, process.env, !context.json);
  const bundle = await makeBundle({
    kind: nodeBundle,
    ask: (name, args) => context.ask(name, args),
    configuration: async () => redactedTable(await readTable(file)),
    examine: () => consult(context, true),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines(context.text("unit") ?? "qkd-node"),
    machine: machineFacts,
    stateFiles: () => (config === undefined ? "not known" : stateFiles(config.node.state_dir)),
    secrets: () => secretsOf(table, file),
    wall: Date.now(),
    onStep: (what, done) => bar.show(done, what),
  }).finally(() => bar.end());
  const target = resolve(folder, wanted ?? bundle.name);
  writeBundle(target, bundle.archive);
  const { archive, members } = bundle;
  const data = { file: target, bytes: archive.length, members };
  context.print(data, () => [
    `${target}: ${bytes(archive.length)}, ${counted(members.length, "file")}`,
  ]);
  return exit.ok;
}
