/** An operator's decisions about what is kept back, as commands reach the channels. */

import { Fault } from "../../base/errors.ts";
import type { ControlPorts } from "../commands/executor.ts";
import type { Channel } from "../module/channel.ts";
import type { Operator } from "../module/operator.ts";
import type { Kms } from "./kms.ts";

type Ports = Required<
  Pick<
    ControlPorts,
    | "releaseQuarantine"
    | "discardQuarantine"
    | "decideAll"
    | "withhold"
    | "freeKm"
    | "acceptKm"
    | "acceptModule"
  >
>;

export function keptBackPorts(channels: readonly Channel[], kms: Kms): Ports {
  const of = (name: string): Operator => {
    const found = channels.find((one) => one.name === name);
    if (found === undefined) throw new Fault("module.command", "module is not served");
    return found.operator;
  };
  return {
    releaseQuarantine: async (module, name) => of(module).decide("reinstate", name),
    discardQuarantine: async (module, name) => of(module).decide("discard", name),
    withhold: async (module, name) => of(module).decide("withhold", name),
    decideAll: async (module, what, selection) => {
      const blocks = of(module).decideAll(what === "release" ? "reinstate" : "discard", selection);
      return { blocks };
    },
    freeKm: async (module, km) => of(module).freeKm(km, kms.claimantsOf(km)),
    acceptKm: async (km) => {
      const accepted = await kms.accept(km);
      for (const one of channels) one.operator.acceptKm(accepted);
    },
    acceptModule: async (module, moduleId) => of(module).acceptModule(moduleId),
  };
}
