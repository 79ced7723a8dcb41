/** What the driver finds wrong by itself: told when it begins, and when it ends. Pure. */
import { describe } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import { LookedAt } from "../../src/base/looked-at.ts";
import type { ModuleEvent, ModuleSink } from "../../src/port/module.ts";

export interface ConditionsParts {
  readonly sink: ModuleSink;
  readonly log: Log;
  /** The session is over: nothing is told any more. */
  readonly over: () => boolean;
}

export class Conditions {
  readonly #parts: ConditionsParts;
  readonly #seen = new LookedAt();

  constructor(parts: ConditionsParts) {
    this.#parts = parts;
  }

  begins(code: string, severity: ModuleEvent["severity"], text: string): void {
    const { sink, log, over } = this.#parts;
    if (over() || this.#seen.look(code, true) === undefined) return;
    log.warn(text);
    sink.event({ code, severity, text });
  }

  /** @param isKnown whether all was looked at that could say otherwise */
  ends(code: string, isKnown = true): void {
    const { sink, over } = this.#parts;
    if (over() || !(isKnown || this.#seen.isKnown(code))) return;
    const change = this.#seen.look(code, false);
    if (change === "ends") sink.event({ code, severity: "cleared", text: "over" });
    else if (change === "absent") sink.absent(code);
  }

  /** @param trouble undefined: there is none */
  report(code: string, trouble: unknown, text: string): void {
    if (trouble === undefined) this.ends(code);
    else this.begins(code, "warning", `${text}: ${describe(trouble)}`);
  }
}
