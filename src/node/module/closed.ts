/**
 * A module that is not served because its ledger can't be trusted: whatever was done, a key might be
 * given twice. It is shown with the reason, so that an operator can act; the node's other
 * modules go on.
 */

import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { ModuleCommand, ModuleDriver } from "../../port/module.ts";
import { type Conditions, type Verdict, verdictKinds } from "../alarms/verdict.ts";
import type { ModuleControl } from "../commands/executor.ts";
import type { LocalModule } from "../model/local.ts";
import type { ModuleDescription, ModuleState } from "../model/manager.ts";

export class ClosedModule implements LocalModule, ModuleControl {
  readonly name: string;
  readonly failure: Fault;
  readonly #description: ModuleDescription;
  readonly #driver: ModuleDriver;
  readonly #clock: Clock;
  readonly #since: number;
  readonly #closedAt: number;

  /** @param km names of its KMs */
  constructor(name: string, driver: ModuleDriver, km: string, failure: Fault, clock: Clock) {
    this.name = name;
    this.failure = failure;
    this.#description = { name, driver: driver.kind, where: driver.where, km };
    this.#driver = driver;
    this.#clock = clock;
    this.#since = clock.wall();
    this.#closedAt = clock.now();
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

  stateAge(): number {
    return this.#clock.now() - this.#closedAt;
  }

  conditions(): Conditions {
    return {
      module: "OUT",
      moduleTrouble: describe(this.failure),
      kms: [],
      halted: undefined,
      ledgerTrouble: undefined,
      onRequest: false,
      heldBlocks: 0,
      keptBack: {},
    };
  }

  health(): Verdict {
    const text = `Module is not served: ${describe(this.failure)}`;
    return { ...verdictKinds.not_served, code: "not_served", text, since: this.#since };
  }

  keptCounts() {
    return {};
  }

  takeTelemetryWindow() {
    return {};
  }

  peekTelemetryWindow() {
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

  /**
   * What a spool has of it is destroyed all the same.
   * @throws Fault `module.command`, always
   */
  async command(command: ModuleCommand): Promise<void> {
    if (command.name === "zeroize") await this.#driver.destroy?.();
    throw new Fault("module.command", `${command.name}: module is not served, see its state`);
  }

  /** Nothing of it is ever in memory. */
  forget(): void {}

  shut(): void {}

  open(): void {}
}
