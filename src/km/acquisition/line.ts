/** One connection of a node, as intake sees it: who it is, and where answers go. */
import { hasName } from "../../host/tls/names.ts";
import type { SupplyResponse } from "../../wire/kq1/supply-answer.ts";

/** A module whose keys this KM takes. */
export interface IntakeModule {
  /** Its name in the configuration. */
  readonly name: string;
  /** Module IDs of Kq-1: its own, and that of the module at the other end of its link. */
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** Certificates with one of these names (subject alternative names) may supply its keys. */
  readonly nodes: readonly string[];
}

/** Bounds of what is on its way to the disk; beyond them the answer is `busy`. */
export interface InFlight {
  readonly keys: number;
  readonly bytes: number;
}

export abstract class Line {
  /** Names in the node's certificate; undefined on plain TCP, where any node may supply for any module. */
  readonly names: readonly string[] | undefined;
  /** Keys that have no answer yet, and their bytes. */
  keys = 0;
  bytes = 0;
  readonly #may = new Map<IntakeModule, boolean>();

  constructor(names: readonly string[] | undefined) {
    this.names = names;
  }

  /**
   * Sends what is to be said of a key. Never called twice for one ticket; nothing is sent if the
   * connection is over by then.
   * @param ticket as it was handed in with the key
   */
  abstract answer(ticket: number, response: SupplyResponse): void;

  /** Whether the certificate is bound to this module. */
  maySupply(module: IntakeModule): boolean {
    let may = this.#may.get(module);
    if (may === undefined) {
      may = mayServe(this.names, module);
      this.#may.set(module, may);
    }
    return may;
  }
}

/** @param names in a node's certificate; undefined without TLS @returns whether it is bound to this module */
export function mayServe(names: readonly string[] | undefined, module: IntakeModule): boolean {
  return names === undefined || module.nodes.some((name) => hasName(names, name));
}
