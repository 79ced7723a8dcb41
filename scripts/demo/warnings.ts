/** Warnings of the programs, as `--json` tells them: while all is up at once, those of a start only if the run failed. */

/** Lines of a start that are kept. */
const most = 500;

/** A program cannot go on, or has a defect: as a line of its log, or of the bootstrap before it. */
export function isError(line: string): boolean {
  return /level=error|^(\S+: )?bootstrap/.test(line);
}

export class Warnings {
  readonly #say: (line: string) => void;
  readonly #held: string[] = [];
  #isUp = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** A line of a program's log. */
  hear(program: string, text: string): void {
    const line = `${program}: ${text}`;
    if (isError(text)) this.#say(line);
    else if (!/level=warn/.test(text)) return;
    else if (this.#isUp) this.#say(line);
    // Programs that start together find each other away at first: that is of every start, and of every end.
    else if (this.#held.push(line) > most) this.#held.shift();
  }

  /** All is up: what was heard before was of the start. */
  up(): void {
    this.#isUp = true;
    this.#held.length = 0;
  }

  /** It is stopped from now on. */
  down(): void {
    this.#isUp = false;
  }

  /** The run failed: what was not told may be why. */
  tell(): void {
    for (const line of this.#held.splice(0)) this.#say(line);
  }
}
