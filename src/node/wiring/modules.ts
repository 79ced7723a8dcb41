/** A module's way from its driver to its KMs, made from the configuration. */

import type { Clock } from "../../base/clock.ts";
import { describe, Fault, type FaultCode } from "../../base/errors.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { readNamed } from "../../host/config/named-file.ts";
import { hold } from "../../host/disk/hold.ts";
import type { Progress } from "../../host/life/progress.ts";
import type { Machine } from "../../host/machine.ts";
import type { ModuleDriver } from "../../port/module.ts";
import type { LedgerConfig, ModuleConfig } from "../config/tables.ts";
import type { LedgerFile } from "../ledger/ledger-file.ts";
import { spoolPath } from "../ledger/ledger-folder.ts";
import { ledgerOf } from "../ledger/whose.ts";
import { Channel } from "../module/channel.ts";
import type { ChannelParts } from "../module/channel-options.ts";
import { ClosedModule } from "../module/closed.ts";
import type { Halt } from "../module/halt.ts";
import { Batches } from "../spool/batches.ts";
import { spooled, spoolWhenNeeded, whenNeeded } from "../spool/spooled.ts";
import { endpointOf } from "./credentials.ts";
import type { Kms } from "./kms.ts";
import type { Monitoring } from "./monitoring.ts";
import type { Panel } from "./panel.ts";
import { stalledLedger } from "./stalled.ts";

export function ledgerOptions(table: LedgerConfig, progress: Progress, clock: Clock) {
  const { group_records, group_delay, reserve_bytes } = table;
  return {
    groupRecords: group_records,
    groupDelay: group_delay,
    reserveBytes: reserve_bytes,
    clock,
    task: progress.beginner(clock),
  };
}

/** Faults with these codes close a module, not the node. @throws all others */
function closing(...codes: readonly FaultCode[]): (error: unknown) => Fault {
  return (error) => {
    if (error instanceof Fault && codes.includes(error.code)) return error;
    throw error;
  };
}

/** A ledger that can't be trusted: time mends nothing of it. */
export const untrusted = closing(
  "ledger.corrupt",
  "ledger.missing",
  "ledger.orphaned",
  "state.owner",
);

/** A ledger that could not be read in all the time for it. */
export const unreadable = closing("ledger.io");

/** Where drivers and spools work: on this machine, below the node's state. */
interface Place extends Machine {
  readonly stateFolder: string;
}

/** A module's driver, behind its spool where one is configured. */
function driverOf(
  { name, driver, spool }: ModuleConfig,
  { clock, files, stateFolder }: Place,
  log: Log,
): ModuleDriver {
  if (spool === undefined) return driver.create({ clock, log, hold });
  const { key, max_bytes: maxBytes } = spool;
  const options = { files, folder: spoolPath(stateFolder, name), maxBytes };
  const readKey = () => readNamed(key, "state.io", "cannot read the spool's key");
  if (driver.spools) {
    const own = whenNeeded((bytes) => Batches.open({ ...options, key: bytes }), readKey);
    return driver.create({ clock, log, hold, spool: own });
  }
  const bare = driver.create({ clock, log, hold });
  return spooled(bare, spoolWhenNeeded(options, readKey), log.child("spool"));
}

/** What the modules of a node need of its other parts. */
export interface ModulesContext extends ChannelContext, Place {
  readonly ledgers: ReadonlyMap<string, LedgerFile>;
  /** Modules that are not served, and why. */
  readonly untrustedLedgers: ReadonlyMap<string, Fault>;
  readonly log: Log;
}

/** Every module of the configuration: on its way to its KMs, or closed. */
export function createModules(
  modules: readonly ModuleConfig[],
  { ledgers, untrustedLedgers, log, ...context }: ModulesContext,
): { readonly channels: readonly Channel[]; readonly closed: readonly ClosedModule[] } {
  const channels: Channel[] = [];
  const closed: ClosedModule[] = [];
  for (const module of modules) {
    const ledger = ledgers.get(module.name);
    const failure = untrustedLedgers.get(module.name);
    const own = log.child(module.name);
    if (ledger !== undefined) {
      const whose = (moduleId: string) => ledgerOf(ledgers, ledger, moduleId);
      channels.push(createChannel(module, ledger, { ...context, ledgerOf: whose }, own));
    } else if (failure !== undefined) {
      own.error(`module is not served: ${describe(failure)}`);
      closed.push(closedModule(module, context, failure));
    }
  }
  return { channels, closed };
}

function closedModule(module: ModuleConfig, place: Place, failure: Fault): ClosedModule {
  const km = module.kms.map((one) => one.name).join(", ");
  return new ClosedModule(
    module.name,
    driverOf(module, place, silentLog),
    km,
    failure,
    place.clock,
  );
}

export interface ChannelContext {
  readonly monitoring: Monitoring;
  readonly panel: Panel;
  readonly halt: Halt;
  readonly progress: Progress;
  readonly kms: Kms;
}

function createChannel(
  module: ModuleConfig,
  ledger: LedgerFile,
  context: ChannelContext & Place & Pick<ChannelParts, "ledgerOf">,
  log: Log,
): Channel {
  const { monitoring, panel, halt, progress, kms, clock, random } = context;
  return new Channel(
    {
      name: module.name,
      moduleId: module.module_id,
      matchingModuleId: module.matching_module_id,
      qberLimit: module.qber_limit,
      qberRequired: module.qber_required ?? module.driver.measuresQber,
      keyBits: module.key_bits,
      onRequest: module.mode === "on_request",
      maxHeldBlocks: module.max_held_blocks,
      maxHeldBytes: module.max_held_bytes,
      kms: module.kms.map((km) => ({
        name: km.name,
        serverName: km.server_name ?? km.host,
        endpoint: endpointOf(km),
        https: km.transport === "https" ? km : undefined,
        window: km.window,
        hashValue: km.hash_value,
        answerTimeout: km.answer_timeout,
        heard: monitoring.watch.hears(module.name, km.name),
      })),
      kmNames: module.kms.map(({ name }) => kms.nameOf(name)),
    },
    {
      driver: driverOf(module, context, log),
      ledger,
      clock,
      log,
      random,
      progress,
      ledgerStalled: () => stalledLedger(context, module.name),
      halt,
      ...(context.ledgerOf && { ledgerOf: context.ledgerOf }),
      nameOfKm: (claimant) => kms.named(claimant),
      health: () => monitoring.watch.verdict(module.name),
      onEvent: (event) => monitoring.tell(event),
      onSeen: (event) => monitoring.watch.event(event),
      onState: (name) => monitoring.stateChanged(name),
      onTelemetry: (name, sample) => monitoring.telemetry(name, sample),
      onLink: (name, km, down) => {
        monitoring.link(name, km, down);
        if (km === undefined) panel.guard.moduleLink(name, down);
      },
    },
  );
}
