/** KMs that are told how their modules are (Kq-2). A KM without it is not disturbed, and keys have no part in it. */
import type { Log } from "../../base/log.ts";
import type { Watchers } from "../../base/watchers.ts";
import type { Machine } from "../../host/machine.ts";
import type { ModuleConfig, NodeConfig } from "../config/tables.ts";
import type { Ledger } from "../keys/ports.ts";
import { KmTelling } from "../kq2/km-telling.ts";
import { alarmsOf, type ModuleIds, statusOf } from "../kq2/status.ts";
import type { Look } from "../kq2/teller.ts";
import type { KmTold } from "../model/local.ts";
import type { AlarmView, ModuleView } from "../model/manager.ts";
import { endpointOf } from "./credentials.ts";
import { mayBeTold } from "./watch-settings.ts";

/** The tables that say who is told of which modules. */
export interface TellingTables {
  readonly node: NodeConfig;
  readonly modules: readonly ModuleConfig[];
}

export interface TellingParts extends Pick<Machine, "clock" | "random"> {
  readonly modules: readonly ModuleView[];
  /** By module: which module it was last. */
  readonly ledgers: ReadonlyMap<string, Pick<Ledger, "module">>;
  readonly alarms: Pick<AlarmView, "records">;
  /** Told whenever there may be something to tell. */
  readonly watchers: Watchers;
  readonly log: Log;
}

export class Telling {
  readonly #kms: readonly KmTelling[];
  readonly #watchers: Watchers;

  constructor(config: TellingTables, parts: TellingParts) {
    const { clock, random } = parts;
    const log = parts.log.child("kq2");
    const look = lookAt(config, parts);
    const kms = new Set(config.modules.flatMap(({ kms: of }) => of.filter(mayBeTold)));
    this.#watchers = parts.watchers;
    this.#kms = [...kms].map((km) => {
      const modules = config.modules.filter(({ kms: of }) => of.includes(km));
      const names = modules.map(({ name }) => name);
      const required = km.kq2 === "required";
      const options = {
        name: km.name,
        endpoint: endpointOf(km),
        modules: names,
        look,
        required,
      };
      return new KmTelling(options, { clock, random, log: log.child(km.name) });
    });
  }

  start(): void {
    for (const km of this.#kms) km.start();
    this.#watchers.add(() => {
      for (const km of this.#kms) km.changed();
    });
  }

  /** Checks a KM that is connected with the certificates of now. */
  recheck(km: string): void {
    for (const one of this.#kms) one.recheck(km);
  }

  /** How it goes with each KM; none of those that are not to be told. */
  told(): readonly KmTold[] {
    return this.#kms.map((km) => km.told());
  }

  /** For alarms, by their object. */
  untold(): readonly (readonly [string, string | undefined])[] {
    return this.#kms.map((km) => [`km.${km.name}`, km.untold]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#kms.map((km) => km.stop()));
  }
}

function lookAt(config: TellingTables, { modules, ledgers, alarms, clock }: TellingParts): Look {
  const names = modules.map(({ name }) => name);
  return (name) => {
    const view = modules.find((module) => module.name === name);
    const configured = config.modules.find((module) => module.name === name);
    if (view === undefined) return undefined;
    const ids = idsOf(view, configured, ledgers.get(name)?.module);
    if (ids === undefined) return undefined;
    return statusOf({
      nodeId: config.node.id,
      ids,
      state: view.state(),
      window: view.peekTelemetryWindow(),
      alarms: alarmsOf(alarms.records(), name, names),
      wall: clock.wall(),
    });
  };
}

/** As the module says; while it is away, as it is configured or was last. @returns undefined: not known */
function idsOf(
  view: ModuleView,
  configured:
    | { readonly module_id?: string | undefined; readonly matching_module_id?: string | undefined }
    | undefined,
  last: { readonly moduleId: string; readonly matchingModuleId?: string | undefined } | undefined,
): ModuleIds | undefined {
  const { module_id, matching_module_id } = view.describe();
  const moduleId = module_id ?? configured?.module_id ?? last?.moduleId;
  if (moduleId === undefined) return undefined;
  const lastOther = last?.moduleId === moduleId ? last.matchingModuleId : undefined;
  const matchingModuleId = matching_module_id ?? configured?.matching_module_id ?? lastOther ?? "";
  return { moduleId, matchingModuleId };
}
