/** The bundle that a node makes of itself: the same as `qkd-node support-bundle`, kept with its state. */
import { parse } from "smol-toml";
import { readConfigBytes } from "../../host/config/read-bytes.ts";
import { noColours } from "../../host/terminal/terminal.ts";
import { makeBundle, type Sources } from "../../ops/bundle/bundle.ts";
import { reportLines } from "../../ops/doctor/tell.ts";
import { keepBundle } from "../../ops/support/keep-bundle.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "../../ops/support/machine.ts";
import { redactedTable } from "../config/redact.ts";
import type { ConfigFile, NodeConfig } from "../config/tables.ts";
import { examine } from "../doctor/doctor.ts";
import type { Subject } from "../doctor/subject.ts";
import { nodeBundle } from "./kind.ts";

/** @returns where it is @throws Fault `state.io` */
export async function bundleOfSelf(
  { file, table, node }: ConfigFile & { readonly node: NodeConfig },
  { ask, ...subject }: Omit<Subject, "ask" | "file" | "proc" | "sys"> & Pick<Sources, "ask">,
): Promise<string> {
  const bundle = await makeBundle({
    kind: nodeBundle,
    ask,
    configuration: () => redactedTable(parse(readConfigBytes(file).toString("utf8"))),
    examine: () => examine({ ...subject, ask, file, proc: "/proc", sys: "/sys" }),
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines("qkd-node"),
    machine: machineFacts,
    stateFiles: () => stateFiles(node.state_dir),
    secrets: () => secretsOf(table, file),
    wall: subject.clock.wall(),
  });
  return keepBundle(node.state_dir, bundle);
}
