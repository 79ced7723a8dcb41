/**
 * A module that is not served because its ledger can't be trusted: whatever was done, a key might be
 * given twice. It is shown with the reason, so that somebody does something about it; the node's other
 * modules go on.
 */
import type { ModuleControl } from "../control/executor.ts";
import type { LocalModule } from "../local/view.ts";
import type { ModuleDescription, ModuleState } from "../manager/view.ts";
import type { Clock } from "../port/clock.ts";
import { describe, Fault } from "../port/errors.ts";
import type { ModuleCommand } from "../port/module.ts";

export class ClosedModule implements LocalModule, ModuleControl {
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

  glance() {
    return {};
  }

  links() {
    return { up: false, reason: describe(this.failure), kms: [] };
  }

  kept() {
    return [];
  }

  kms() {
    return [];
  }

  supply() {
    return {};
  }

  /** @throws Fault `module.command`, always */
  async command(command: ModuleCommand): Promise<void> {
    throw new Fault("module.command", `${command.name}: module is not served, see its state`);
  }
}
