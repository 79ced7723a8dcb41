/** Has a device for this process as long as one of its links has the device open. */
import type { DriverContext, Held } from "../../src/port/module.ts";

export class Owner {
  readonly path: string;
  readonly #hold: DriverContext["hold"];
  #held: Held | undefined;
  /** Links that have it open: a device that hangs keeps an old one beside the new one. */
  #links = 0;

  constructor(path: string, hold: DriverContext["hold"]) {
    this.path = path;
    this.#hold = hold;
  }

  /** @returns false if another process has it; else {@link leave} is to be called once */
  async enter(): Promise<boolean> {
    if (this.#hold !== undefined && this.#links === 0) {
      this.#held = await this.#hold(this.path);
      if (this.#held === undefined) return false;
    }
    this.#links++;
    return true;
  }

  leave(): void {
    this.#links--;
    if (this.#links > 0) return;
    this.#held?.release();
    this.#held = undefined;
  }
}
