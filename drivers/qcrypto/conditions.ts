/** What the driver finds wrong by itself: told when it begins, and when it ends. Pure. */
import { describe } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { ModuleEvent, ModuleSink } from "../../src/port/module.ts";

export interface ConditionsParts {
  readonly sink: ModuleSink;
  readonly log: Log;
  /** The session is over: nothing is told any more. */
  readonly over: () => boolean;
}

export class Conditions {
  readonly #parts: ConditionsParts;
  /** Codes that were looked at, and whether they are so. */
  readonly #on = new Map<string, boolean>();

  constructor(parts: ConditionsParts) {
    this.#parts = parts;
  }

  begins(code: string, severity: ModuleEvent["severity"], text: string): void {
    const { sink, log, over } = this.#parts;
    if (over() || this.#on.get(code) === true) return;
    this.#on.set(code, true);
    log.warn(text);
    sink.event({ code, severity, text });
  }

  /** @param isKnown whether all was looked at that could say otherwise */
  ends(code: string, isKnown = true): void {
    const { sink, over } = this.#parts;
    const before = this.#on.get(code);
    if (before === false || over() || (before === undefined && !isKnown)) return;
    this.#on.set(code, false);
    // Another session, or the process before, may have told of it.
    if (before === undefined) sink.absent(code);
    else sink.event({ code, severity: "cleared", text: "over" });
  }

  /** @param trouble undefined: there is none */
  report(code: string, trouble: unknown, text: string): void {
    if (trouble === undefined) this.ends(code);
    else this.begins(code, "warning", `${text}: ${describe(trouble)}`);
  }
}
