/**
 * Opens the modules' ledgers, with the rule for one that is missing: it may be new only where none
 * ever was. That it was made is in the node's small state; a ledger whose state is gone, or a state
 * whose ledger is gone, is not taken for a new node, nor a module that was renamed for a new one.
 */
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { exists, type FileSystem } from "../../host/disk/files.ts";
import type { LedgerAct, NodeState } from "../state/state.ts";
import type { StateStore } from "../state/store.ts";
import { LedgerFile, type LedgerOptions } from "./ledger-file.ts";
import { isFresh, ledgerPath, ledgersIn, moveLedger, onFolder } from "./ledger-folder.ts";

export { ledgerPath } from "./ledger-folder.ts";

export interface LedgersOptions {
  readonly files: FileSystem;
  readonly folder: string;
  readonly state: StateStore;
  readonly options: Partial<LedgerOptions>;
  /** All modules of the configuration; default: those that were opened, and the one that is now. */
  readonly modules?: readonly string[];
}

type Place = Omit<LedgersOptions, "options">;
/** One that is only looked at. */
type Shown = Omit<Place, "state"> & { readonly state: Pick<StateStore, "data"> };

/** Names under which ledgers were opened since the start: they are not without a module. */
const opened = new WeakMap<object, Set<string>>();
/** What was done to ledgers and was not told of yet; more than this is of no use. */
const mostActs = 32;

/**
 * Opens a module's ledger, or makes it. A module whose name is new takes over the one ledger that is
 * without a module; see `ledger_acts` in the state then.
 * @throws Fault `ledger.missing`, `ledger.corrupt`, `ledger.io`, `state.io`; `ledger.orphaned` if it is
 *   not certain whether the module has a ledger under another name
 */
export async function openLedger(
  recording: LedgersOptions,
  module: string,
  log: Log,
): Promise<LedgerFile> {
  const { files, folder, state, options } = recording;
  const path = ledgerPath(folder, module);
  await onFolder(folder, async () => {
    await completeAdoption(recording, module, log);
    if (!listed(state).has(module)) await claim(recording, module);
  });
  const made = listed(state).has(module);
  if (made && !(await onFolder(folder, () => exists(files, path)))) {
    throw new Fault("ledger.missing", "the ledger is gone: see `qkd-node ledger`", { file: path });
  }
  const ledger = await LedgerFile.open(files, path, log, options);
  if (!made) {
    await state.change((data) => {
      data.ledgers = [...(data.ledgers ?? []), module];
    });
  }
  opened.set(state, new Set([...(opened.get(state) ?? []), module]));
  return ledger;
}

/**
 * Ledgers that belong to no module of the configuration.
 * @throws Fault `ledger.io`
 */
export async function orphanedLedgers(place: Shown): Promise<string[]> {
  return onFolder(place.folder, async () => {
    const { orphans, strays } = await survey(place, []);
    return [...orphans, ...strays];
  });
}

/**
 * Gives a ledger and its spool to a module.
 * @param from name of the ledger; the same as `to` for one that is there and that the state does not list
 * @throws Fault `ledger.orphaned` with the reason why not, `ledger.io`, `state.io`
 */
export async function adoptLedger(
  place: Place,
  from: string,
  to: string,
  by: LedgerAct["by"],
): Promise<void> {
  const { files, folder, state } = place;
  const configured = new Set(place.modules);
  const refuse = (why: string, name: string) => {
    throw new Fault("ledger.orphaned", why, { ledger: name });
  };
  if (!configured.has(to)) refuse("no module of this name is configured", to);
  if (listed(state).has(to)) refuse("the module has a ledger: retire that first", to);
  if (from !== to && configured.has(from)) refuse("the ledger is that of another module", from);
  await onFolder(folder, async () => {
    if (!(await exists(files, ledgerPath(folder, from)))) refuse("there is no such ledger", from);
    if (from === to) return conclude(state, { what: "adopted", from, to, by });
    await adopt(place, { from, to, by });
  });
}

/**
 * Puts a ledger and its spool keptBackKeys, for good: the next module of its name begins with an empty one.
 * @param trust also for a module that is configured
 * @returns where the ledger is kept
 * @throws Fault `ledger.orphaned` with the reason why not, `ledger.io`, `state.io`
 */
export async function retireLedger(place: Place, name: string, trust: boolean): Promise<string> {
  const { files, folder, state, modules = [] } = place;
  return onFolder(folder, async () => {
    const there = await exists(files, ledgerPath(folder, name));
    if (!there && !listed(state).has(name)) {
      throw new Fault("ledger.orphaned", "there is no such ledger", { ledger: name });
    }
    if (modules.includes(name) && !trust) {
      const why =
        "a module of this name is configured and would begin anew: zeroize it, then retire with --trust";
      throw new Fault("ledger.orphaned", why, { ledger: name });
    }
    const to = await spareName(files, folder, name);
    // The state first: a file that it does not list is never taken for a new ledger.
    await conclude(state, { what: "retired", from: name, to, by: "operator" });
    await moveLedger(files, folder, name, to);
    return ledgerPath(folder, to);
  });
}

function listed(state: Shown["state"]): ReadonlySet<string> {
  return new Set(state.data.ledgers);
}

interface Survey {
  /** Modules without a ledger. */
  readonly fresh: readonly string[];
  /** Ledgers that the state lists, and no module has. */
  readonly orphans: readonly string[];
  /** Ledgers that say something, and that neither state nor configuration knows. */
  readonly strays: readonly string[];
}

/** @param opening modules that are configured as well, where no list is given */
async function survey(
  { files, folder, state, modules }: Shown,
  opening: readonly string[],
): Promise<Survey> {
  const configured = new Set(modules ?? [...opening, ...(opened.get(state) ?? [])]);
  const made = listed(state);
  const strays: string[] = [];
  for (const name of await ledgersIn(files, folder)) {
    if (configured.has(name) || made.has(name)) continue;
    if (!(await isFresh(files, folder, name))) strays.push(name);
  }
  return {
    fresh: [...configured].filter((name) => !made.has(name)),
    orphans: [...made].filter((name) => !configured.has(name)),
    strays,
  };
}

/** Decides what a module without a ledger begins with. @throws Fault `ledger.orphaned` */
async function claim(place: Place, module: string): Promise<void> {
  const { files, folder } = place;
  const file = ledgerPath(folder, module);
  const own = await exists(files, file);
  if (own && !(await isFresh(files, folder, module))) {
    const why =
      "the node's state does not list this ledger: `qkd-node ledger adopt NAME NAME` if it is the " +
      "module's, or `qkd-node ledger retire NAME --trust`";
    throw new Fault("ledger.orphaned", why, { file });
  }
  const { fresh, orphans, strays } = await survey(place, [module]);
  const [from, ...more] = [...orphans, ...strays];
  if (from === undefined) return;
  const certain = more.length === 0 && fresh.length === 1 && orphans.length === 1;
  if (certain && (await exists(files, ledgerPath(folder, from)))) {
    return adopt(place, { from, to: module, by: "node" });
  }
  const why =
    "one of the ledgers without a module may be this module's: `qkd-node ledger adopt OLD NEW` if it " +
    "was renamed, `qkd-node ledger retire OLD` if not";
  throw new Fault("ledger.orphaned", why, { module, ledgers: [from, ...more].join(", ") });
}

/** The intention is on disk first: after a kill anywhere the next start completes it. */
async function adopt(place: Place, adopting: NonNullable<NodeState["adopting"]>): Promise<void> {
  const { files, folder, state } = place;
  const { from, to } = adopting;
  await state.change((data) => {
    data.adopting = { ...adopting };
  });
  try {
    await moveLedger(files, folder, from, to);
  } catch (error) {
    // Nothing was moved: the operator may decide otherwise.
    if (error instanceof Fault && error.code === "ledger.orphaned") {
      await state.change((data) => {
        delete data.adopting;
      });
    }
    throw error;
  }
  await conclude(state, { what: "adopted", ...adopting });
}

/** @throws Fault `ledger.orphaned` if it can't be completed, and the module is part of it */
async function completeAdoption(place: Place, module: string, log: Log): Promise<void> {
  const { files, folder, state } = place;
  const { adopting } = state.data;
  if (adopting === undefined) return;
  try {
    await moveLedger(files, folder, adopting.from, adopting.to);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "ledger.orphaned") throw error;
    if (module === adopting.from || module === adopting.to) throw error;
    log.warn("an adoption can't be completed", { why: describe(error) });
    return;
  }
  await conclude(state, { what: "adopted", ...adopting });
}

/** Lists what was done to a ledger, and to be told. */
async function conclude(state: StateStore, act: LedgerAct): Promise<void> {
  const { what, from, to } = act;
  await state.change((data) => {
    const others = (data.ledgers ?? []).filter((name) => name !== from && name !== to);
    data.ledgers = what === "adopted" ? [...others, to] : others;
    const { adopting } = data;
    if (adopting?.from === from || adopting?.to === from || adopting?.to === to) {
      delete data.adopting;
    }
    data.ledger_acts = [...(data.ledger_acts ?? []), act].slice(-mostActs);
  });
}

async function spareName(files: FileSystem, folder: string, name: string): Promise<string> {
  const taken = new Set(await files.list(folder));
  for (let n = 1; ; n++) {
    const spare = `${name}.retired.${n}`;
    if (!taken.has(`ledger-${spare}`) && !taken.has(`spool-${spare}`)) return spare;
  }
}
