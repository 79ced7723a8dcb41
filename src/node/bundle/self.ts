/** The bundle that a node makes of itself: the same as `qkd-node support-bundle`, kept with its state. */
import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { noColours } from "../../host/terminal/terminal.ts";
import { redactedTable } from "../config/redact.ts";
import type { ConfigFile, NodeConfig } from "../config/tables.ts";
import { examine } from "../doctor/doctor.ts";
import type { Subject } from "../doctor/subject.ts";
import { reportLines } from "../doctor/tell.ts";
import { makeBundle, type Sources } from "./bundle.ts";
import { keepBundle } from "./keep-bundle.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "./machine.ts";

/** @returns where it is @throws Fault `state.io` */
export async function bundleOfSelf(
  { file, table, node }: ConfigFile & { readonly node: NodeConfig },
  { ask, ...subject }: Omit<Subject, "ask" | "file" | "proc" | "sys"> & Pick<Sources, "ask">,
): Promise<string> {
  const bundle = await makeBundle({
    ask,
    configuration: () => redactedTable(parse(readFileSync(file, "utf8"))),
    examine: () => examine({ ...subject, ask, file, proc: "/proc", sys: "/sys" }),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines("qkd-node"),
    machine: machineFacts,
    stateFiles: () => stateFiles(node),
    secrets: () => secretsOf(table, file),
    wall: subject.clock.wall(),
  });
  return keepBundle(node.state_dir, bundle);
}
