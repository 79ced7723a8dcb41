/**
 * A module that is not served because its ledger can't be trusted: whatever was done, a key might be
 * given twice. It is shown with the reason, so that somebody does something about it; the node's other
 * modules go on.
 */
import type { ModuleDescription, ModuleState, ModuleView } from "../manager/view.ts";
import type { Clock } from "../port/clock.ts";
import { describe, type Fault } from "../port/errors.ts";

export class ClosedModule implements ModuleView {
  readonly name: string;
  readonly failure: Fault;
  readonly #description: ModuleDescription;
  readonly #since: number;

  constructor(description: ModuleDescription, failure: Fault, clock: Clock) {
    this.name = description.name;
    this.failure = failure;
    this.#description = description;
    this.#since = clock.wall();
  }

  describe(): ModuleDescription {
    return this.#description;
  }

  state(): ModuleState {
    return {
      module: "OUT",
      link: "OFF",
      km: "DOWN",
      reason: `ledger: ${describe(this.failure)}`,
      since: this.#since,
    };
  }

  telemetry() {
    return {};
  }

  supply() {
    return {};
  }
}
