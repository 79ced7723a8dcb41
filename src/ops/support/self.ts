/** The support bundle that a program makes of itself, kept with its state. */
import { parse } from "smol-toml";
import { readConfigBytes } from "../../host/config/read-bytes.ts";
import { noColours } from "../../host/terminal/terminal.ts";
import { type BundleKind, makeBundle, type Sources } from "../bundle/bundle.ts";
import type { Report } from "../doctor/finding.ts";
import { reportLines } from "../doctor/tell.ts";
import { keepBundle } from "./keep-bundle.ts";
import { journalLines, machineFacts, secretsOf, stateFiles } from "./machine.ts";

export interface SelfOptions extends Pick<Sources, "ask"> {
  /** The configuration's file. */
  readonly file: string;
  /** Where its state is, and where the bundle goes. */
  readonly folder: string;
  /** Its unit of systemd. */
  readonly unit: string;
  readonly kind: BundleKind;
  /** What of a configuration may be shown. */
  readonly redacted: (table: unknown) => unknown;
  readonly examine: () => Promise<Report>;
  /** ms since 1970 UTC */
  readonly wall: number;
}

/** @returns where it is @throws Fault `state.io` */
export async function bundleOfSelf(options: SelfOptions): Promise<string> {
  const { file, folder, unit, kind, ask, redacted, examine, wall } = options;
  const table = parse(readConfigBytes(file).toString("utf8"));
  const bundle = await makeBundle({
    kind,
    ask,
    configuration: () => redacted(table),
    examine,
    tell: (report) => reportLines(report, noColours, 100),
    journal: () => journalLines(unit),
    machine: machineFacts,
    stateFiles: () => stateFiles(folder),
    secrets: () => secretsOf(table, file),
    wall,
  });
  return keepBundle(folder, bundle);
}
