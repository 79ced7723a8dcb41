/** Carries out commands that were found good, through small ports into the node. */

import { describe, Fault } from "../../base/errors.ts";
import type { Facts, Outcome } from "../../ops/commands/port.ts";
import type { ModuleCommand } from "../../port/module.ts";
import { allowed, isThresholdName, type ThresholdName } from "../alarms/thresholds.ts";
import { type Args, type CommandName, commandNames, type Order } from "./table.ts";

/** A module as commands reach it. */
export interface ModuleControl {
  /** @throws Fault `module.command` */
  command(command: ModuleCommand): Promise<void>;
}

export interface ControlPorts {
  module(name: string): ModuleControl | undefined;
  /** @returns why not; undefined if it was acknowledged */
  acknowledge(alarm: string, by: string): string | undefined;
  /** @throws Fault `state.io` if it would not survive a restart; it holds until then */
  setThreshold(module: string, name: ThresholdName, value: number): Promise<void>;
  /** A module has destroyed its keys by command. */
  zeroized(module: string): void;
  /**
   * A module was told to distil no more, and by whom; `by` undefined: to go on.
   * @throws Fault `state.io` if it would not be remembered across a restart
   */
  stopped?(module: string, by: string | undefined): Promise<void>;
  /**
   * Has a module destroy its keys, remembered until it has answered; default: it is told.
   * @throws Fault `module.command`, `state.io`
   */
  zeroize?(module: string): Promise<void>;
  /**
   * What not every node has: where one is missing its command is refused as `not_available`. All
   * reject with a Fault that says why not.
   */
  releaseQuarantine?(module: string, keyId: string): Promise<void>;
  discardQuarantine?(module: string, keyId: string): Promise<void>;
  /** A key that waits, or a block that is to come, is kept back. */
  withhold?(module: string, name: string): Promise<void>;
  /** All that is meant of what is kept back. @returns how many blocks that were */
  decideAll?(
    module: string,
    what: "release" | "discard",
    selection: { readonly reason?: string; readonly epoch?: string },
  ): Promise<Facts>;
  /** The KM is the one that it was before its identity changed. */
  acceptKm?(km: string): Promise<void>;
  /** The module of this ID is served from now on. */
  acceptModule?(module: string, moduleId: string): Promise<void>;
  /** Keys that were written to this KM, and that it did not answer for, may go to another. */
  freeKm?(module: string, km: string): Promise<void>;
  reloadCertificates?(): Promise<void>;
  /** @returns where it is */
  supportBundle?(): Promise<Facts>;
  /** @param signed the command as the manager signed it (JWS); undefined if it came another way */
  installUpdate?(args: Readonly<Record<string, unknown>>, signed?: string): Promise<Facts>;
  /**
   * The node was inspected after its chassis was opened: supply may go on.
   * @returns why not; undefined if it was cleared, on disk @throws Fault `state.io`
   */
  clearTamper?(by: string): Promise<string | undefined>;
}

const done: Outcome = { status: "done" };
const failed = (reason: string): Outcome => ({ status: "failed", reason });

/**
 * Carries out a command. Never rejects.
 * @param by the key ID of who gave it
 */
export async function execute(order: Order, by: string, ports: ControlPorts): Promise<Outcome> {
  try {
    return await act(order, by, ports);
  } catch (error) {
    return failed(error instanceof Fault ? describe(error) : "internal error");
  }
}

async function act(order: Order, by: string, ports: ControlPorts): Promise<Outcome> {
  switch (order.name) {
    case "start":
    case "stop": {
      const outcome = await tell(ports, order.args.module, { name: order.name });
      const isDone = outcome.status === "done";
      if (isDone) await ports.stopped?.(order.args.module, order.name === "stop" ? by : undefined);
      return outcome;
    }
    case "self_test":
      return tell(ports, order.args.module, { name: order.name });
    case "set_key_rate": {
      const { module, bits_per_second: bitsPerSecond } = order.args;
      return tell(ports, module, { name: "key_rate", bitsPerSecond });
    }
    case "zeroize": {
      const { module } = order.args;
      const control = ports.module(module);
      if (control === undefined) return failed("unknown_module");
      await (ports.zeroize?.(module) ?? control.command({ name: "zeroize" }));
      ports.zeroized(module);
      return done;
    }
    case "set_threshold": {
      const { module, name, value } = order.args;
      if (ports.module(module) === undefined) return failed("unknown_module");
      if (!isThresholdName(name)) return failed("unknown_threshold");
      if (!allowed(name, value)) return failed("out_of_range");
      await ports.setThreshold(module, name, value);
      return done;
    }
    case "clear_tamper": {
      const why = await ports.clearTamper?.(by);
      return why === undefined ? done : failed(why);
    }
    case "acknowledge_alarm": {
      const why = ports.acknowledge(order.args.alarm, by);
      return why === undefined ? done : failed(why);
    }
    case "release_quarantine":
      return "all" in order.args
        ? decideAll(ports, "release", order.args)
        : inQuarantine(ports, order.args, ports.releaseQuarantine);
    case "discard_quarantine":
      return "all" in order.args
        ? decideAll(ports, "discard", order.args)
        : inQuarantine(ports, order.args, ports.discardQuarantine);
    case "withhold":
      return inQuarantine(ports, order.args, ports.withhold);
    case "accept_km":
      await ports.acceptKm?.(order.args.km);
      return done;
    case "accept_module": {
      const { module, module_id } = order.args;
      if (ports.module(module) === undefined) return failed("unknown_module");
      await ports.acceptModule?.(module, module_id);
      return done;
    }
    case "free_km": {
      const { module, km } = order.args;
      if (ports.module(module) === undefined) return failed("unknown_module");
      await ports.freeKm?.(module, km);
      return done;
    }
    case "reload_certificates":
      await ports.reloadCertificates?.();
      return done;
    case "support_bundle":
      return { ...done, facts: (await ports.supportBundle?.()) ?? {} };
    case "install_update":
      return { ...done, facts: (await ports.installUpdate?.(order.args, order.signed)) ?? {} };
  }
}

async function inQuarantine(
  ports: ControlPorts,
  { module, key_ID }: { readonly module: string; readonly key_ID: string },
  act: ControlPorts["releaseQuarantine"],
): Promise<Outcome> {
  if (ports.module(module) === undefined) return failed("unknown_module");
  await act?.call(ports, module, key_ID);
  return done;
}

async function decideAll(
  ports: ControlPorts,
  what: "release" | "discard",
  { module, reason, epoch }: Extract<Args<"release_quarantine">, { readonly all: true }>,
): Promise<Outcome> {
  if (ports.module(module) === undefined) return failed("unknown_module");
  const selection = {
    ...(reason !== undefined && { reason }),
    ...(epoch !== undefined && { epoch }),
  };
  return { ...done, facts: (await ports.decideAll?.(module, what, selection)) ?? {} };
}

async function tell(ports: ControlPorts, name: string, command: ModuleCommand): Promise<Outcome> {
  const module = ports.module(name);
  if (module === undefined) return failed("unknown_module");
  await module.command(command);
  return done;
}

/** By command, the port without which it is not available. */
const needs: Partial<Record<CommandName, keyof ControlPorts>> = {
  release_quarantine: "releaseQuarantine",
  discard_quarantine: "discardQuarantine",
  withhold: "withhold",
  free_km: "freeKm",
  accept_km: "acceptKm",
  accept_module: "acceptModule",
  clear_tamper: "clearTamper",
  reload_certificates: "reloadCertificates",
  support_bundle: "supportBundle",
  install_update: "installUpdate",
};

/** The commands that this node can carry out. */
export function available(ports: ControlPorts): ReadonlySet<CommandName> {
  const has = (name: CommandName) => {
    const port = needs[name];
    return port === undefined || ports[port] !== undefined;
  };
  return new Set(commandNames.filter(has));
}
