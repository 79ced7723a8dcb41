/** Draws the same lines again and again in one place of a terminal. */
import type { Terminal } from "../../host/terminal/terminal.ts";

export class Picture {
  readonly #terminal: Terminal;
  #height = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  draw(lines: readonly string[]): void {
    const up = this.#height === 0 ? "" : `\u001b[${this.#height}A\r\u001b[J`;
    this.#height = lines.length;
    this.#terminal.say(up + lines.join("\n"));
  }
}
