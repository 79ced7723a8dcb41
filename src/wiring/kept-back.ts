/** An operator's decisions about what is kept back, as commands reach the channels. */
import type { ControlPorts } from "../control/executor.ts";
import type { Channel } from "../lifecycle/channel.ts";
import { Fault } from "../port/errors.ts";

type Ports = Required<
  Pick<ControlPorts, "releaseQuarantine" | "discardQuarantine" | "withhold" | "freeKm">
>;

export function keptBackPorts(channels: readonly Channel[]): Ports {
  const channel = (name: string): Channel => {
    const found = channels.find((one) => one.name === name);
    if (found === undefined) throw new Fault("module.command", "module is not served");
    return found;
  };
  return {
    releaseQuarantine: async (module, name) => channel(module).decide("reinstate", name),
    discardQuarantine: async (module, name) => channel(module).decide("discard", name),
    withhold: async (module, name) => channel(module).decide("withhold", name),
    freeKm: async (module, km) => channel(module).freeKm(km),
  };
}
