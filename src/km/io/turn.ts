/** Has intake hand on what came, once in each turn of the event loop in which something did. */
import type { Intake } from "../acquisition/intake.ts";

export class Turn {
  readonly intake: Intake;
  #isQueued = false;

  constructor(intake: Intake) {
    this.intake = intake;
  }

  /** Something came. */
  came(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    setImmediate(() => {
      this.#isQueued = false;
      this.intake.flush();
    });
  }
}
