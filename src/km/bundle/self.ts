/** The bundle that a key manager makes of itself: the same as `qkd-km support-bundle`, kept with its state. */
import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { noColours } from "../../host/terminal/terminal.ts";
import { makeBundle, type Sources } from "../../ops/bundle/bundle.ts";
import { reportLines } from "../../ops/doctor/tell.ts";
import { keepBundle } from "../../ops/support/keep-bundle.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "../../ops/support/machine.ts";
import { redactedTable } from "../config/redact.ts";
import type { KmTable, ModuleConfig } from "../config/tables.ts";
import { examine } from "../doctor/doctor.ts";
import type { Subject } from "../doctor/subject.ts";
import { kmBundle } from "./kind.ts";

/** @returns where it is @throws Fault `state.io` */
export async function bundleOfSelf(
  config: {
    readonly file: string;
    readonly km: KmTable;
    readonly modules: readonly ModuleConfig[];
  },
  { ask, ...subject }: Omit<Subject, "ask" | "file" | "proc" | "sys"> & Pick<Sources, "ask">,
): Promise<string> {
  const { file, km } = config;
  const table = parse(readFileSync(file, "utf8"));
  const wall = subject.clock.wall();
  const bundle = await makeBundle({
    kind: kmBundle(config, wall),
    ask,
    configuration: () => redactedTable(table),
    examine: () => examine({ ...subject, ask, file, proc: "/proc", sys: "/sys" }),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines("qkd-km"),
    machine: machineFacts,
    stateFiles: () => stateFiles(km.state_dir),
    secrets: () => secretsOf(table, file),
    wall,
  });
  return keepBundle(km.state_dir, bundle);
}
