/** The bundle that a controller makes of itself: the same as `qkd-controller support-bundle`, kept with its state. */
import type { Sources } from "../../ops/bundle/bundle.ts";
import { bundleOfSelf as bundleOf } from "../../ops/support/self.ts";
import { redactedTable } from "../config/redact.ts";
import type { ConfigFile, ControllerTable } from "../config/tables.ts";
import { examine } from "../doctor/doctor.ts";
import type { Subject } from "../doctor/subject.ts";
import { controllerBundle } from "./kind.ts";

/** @returns where it is @throws Fault `state.io` */
export function bundleOfSelf(
  { file, controller }: Pick<ConfigFile, "file"> & { readonly controller: ControllerTable },
  { ask, ...subject }: Omit<Subject, "ask" | "file" | "proc" | "sys"> & Pick<Sources, "ask">,
): Promise<string> {
  return bundleOf({
    file,
    folder: controller.state_dir,
    unit: "qkd-controller",
    kind: controllerBundle,
    ask,
    redacted: redactedTable,
    examine: () => examine({ ...subject, ask, file, proc: "/proc", sys: "/sys" }),
    wall: subject.clock.wall(),
  });
}
