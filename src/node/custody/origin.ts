/**
 * Where blocks come from: which module the ledger is of, and the pair of modules of each epoch. Both
 * are recorded and hold whatever the module says of itself later, or the configuration: a key has one
 * ID for ever.
 */
import type { BlockRef } from "../../port/key.ts";
import type { ModuleIdentity } from "../../port/module.ts";
import { EpochIds } from "../keys/key-id.ts";
import type { Ledger, ModulePair } from "../keys/ports.ts";
import { pairId } from "../ledger/pairs.ts";
import type { CustodyEvent } from "./events.ts";

/** The ledger is that of this pair's first module from now on. */
export function pin(ledger: Ledger, pair: ModulePair): void {
  const before = ledger.module;
  if (before !== undefined && pairId(before) === pairId(pair)) return;
  for (const entry of ledger.namingOf(pair)) ledger.append(entry);
  ledger.append({ kind: "module", id: pairId(pair) });
  // Which blocks are older than the repair was told by another module, of its own.
  const isKnown = before?.moduleId === pair.moduleId;
  if (ledger.wasRepaired && !isKnown) ledger.append({ kind: "repaired" });
}

export class Origin {
  readonly #ledger: Ledger;
  readonly #onEvent: (event: CustodyEvent) => void;
  readonly pair: ModulePair;
  /** Of the keys of this module. */
  readonly ids: EpochIds;
  /** Epochs of another pair that were told of. */
  readonly #told = new Set<string>();

  /** A session began: the ledger is this module's from now on, if it was not before. */
  constructor(
    { moduleId, newest }: Pick<ModuleIdentity, "moduleId" | "newest">,
    matchingModuleId: string,
    ledger: Ledger,
    onEvent: (event: CustodyEvent) => void,
  ) {
    this.#ledger = ledger;
    this.#onEvent = onEvent;
    this.pair = { moduleId, matchingModuleId };
    this.ids = new EpochIds((epoch) => ledger.pairOf(epoch), this.pair);
    pin(ledger, this.pair);
    if (ledger.isRepaired && newest !== undefined) this.#limitDoubt(newest);
  }

  /** Whether the ledger knows the epoch as another module's: its records are of other blocks. */
  isForeign({ epoch }: BlockRef): boolean {
    const known = this.#ledger.pairOf(epoch);
    return known !== undefined && known.moduleId !== this.pair.moduleId;
  }

  /** Such a block came. It stays in its module. */
  tellForeign({ epoch }: BlockRef): void {
    const known = this.#ledger.pairOf(epoch)?.moduleId ?? "";
    this.#tell("module_changed", epoch, known, this.pair.moduleId);
  }

  /** Tells once if the epoch began with another matching module than the one of today. */
  check({ epoch }: BlockRef): void {
    const known = this.#ledger.pairOf(epoch)?.matchingModuleId;
    if (known === undefined || known === this.pair.matchingModuleId) return;
    this.#tell("pair_changed", epoch, known, this.pair.matchingModuleId);
  }

  #tell(type: CustodyEvent["type"], epoch: string, recorded: string, found: string): void {
    if (this.#told.has(epoch)) return;
    this.#told.add(epoch);
    this.#onEvent({ type, facts: { epoch, recorded, found } });
  }

  /** After a repair: only what the module held when it came back can have been handed out before. */
  #limitDoubt(newest: readonly BlockRef[]): void {
    for (const ref of newest) this.#ledger.append({ kind: "doubtful", ref });
    this.#ledger.append({ kind: "doubt_over" });
  }
}
