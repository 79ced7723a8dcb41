/** The bundle that a key manager makes of itself: the same as `qkd-km support-bundle`, kept with its state. */
import type { Sources } from "../../ops/bundle/bundle.ts";
import { bundleOfSelf as bundleOf } from "../../ops/support/self.ts";
import { redactedTable } from "../config/redact.ts";
import type { KmTable, ModuleConfig } from "../config/tables.ts";
import { examine } from "../doctor/doctor.ts";
import type { Subject } from "../doctor/subject.ts";
import { kmBundle } from "./kind.ts";

/** @returns where it is @throws Fault `state.io` */
export function bundleOfSelf(
  config: {
    readonly file: string;
    readonly km: KmTable;
    readonly modules: readonly ModuleConfig[];
  },
  { ask, ...subject }: Omit<Subject, "ask" | "file" | "proc" | "sys"> & Pick<Sources, "ask">,
): Promise<string> {
  const { file, km } = config;
  const wall = subject.clock.wall();
  return bundleOf({
    file,
    folder: km.state_dir,
    unit: "qkd-km",
    kind: kmBundle(config, wall),
    ask,
    redacted: redactedTable,
    examine: () => examine({ ...subject, ask, file, proc: "/proc", sys: "/sys" }),
    wall,
  });
}
