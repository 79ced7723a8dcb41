/**
 * Whether the module that answers is the one whose keys the ledger is about. It is known from the
 * first contact on, by the ledger, also where the configuration does not name it; another one is
 * served only upon an operator's word. Pure.
 */

import { Fault } from "../../base/errors.ts";
import type { ModuleIdentity } from "../../port/module.ts";
import type { ModulePair } from "../keys/ports.ts";

export interface Expected {
  /** As configured; undefined: not named. */
  readonly moduleId: string | undefined;
  readonly matchingModuleId: string | undefined;
  /** The module that the ledger is of. */
  readonly known: ModulePair | undefined;
  /** Name under which this node has the ledger of a module of this ID, if that is another one. */
  readonly ledgerOf?: ((moduleId: string) => string | undefined) | undefined;
}

/**
 * @param source where the module is attached
 * @returns the matching module's ID @throws Fault `module.identity`
 */
export function checkIdentity(
  identity: ModuleIdentity,
  expected: Expected,
  source: string,
): string {
  const { moduleId, matchingModuleId: told } = identity;
  // The ledger keeps the two with a NUL between: it would read another pair than it wrote.
  if (/\p{Cc}/u.test(moduleId + told)) {
    throw new Fault("module.identity", "a module ID has control characters", { source });
  }
  const wanted = expected.moduleId ?? expected.known?.moduleId;
  if (wanted !== undefined && moduleId !== wanted) {
    // Words of the port come from the module: the fact says which one answered.
    const text = "another module answers; if that is meant: qkd-node accept-module";
    throw new Fault("module.identity", text, { source, expected: wanted, found: moduleId });
  }
  // What was done with its keys is on record there: under this name all of them would be new.
  const ledger = expected.ledgerOf?.(moduleId);
  if (ledger !== undefined) {
    const text =
      "this module's keys are on record under another name: crossed cables, or renamed? see qkd-node ledger";
    throw new Fault("module.identity", text, { source, found: moduleId, ledger });
  }
  const matching = expected.matchingModuleId;
  if (matching !== undefined && told !== "" && told !== matching) {
    throw new Fault("module.identity", "module is paired with another matching module", {
      source,
      expected: matching,
      found: told,
    });
  }
  const id = matching ?? told;
  if (id === "") {
    throw new Fault(
      "module.identity",
      "module does not tell its matching module: set matching_module_id",
      { source },
    );
  }
  return id;
}
