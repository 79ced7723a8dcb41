/** The last lines of the log, in memory, for `logs` and the page. Pure, and of bounded size. */

export interface LogLine {
  /** Grows by one with each line of this process. */
  readonly sequence: number;
  readonly line: string;
}

/** Characters of one line that are kept. */
const longestLine = 2_048;

export class LogRing {
  readonly #most: number;
  readonly #lines: LogLine[] = [];
  #next = 0;
  #sequence = 0;

  /** @param most lines */
  constructor(most = 2_000) {
    this.#most = most;
  }

  get sequence(): number {
    return this.#sequence;
  }

  add(line: string): void {
    this.#sequence++;
    this.#lines[this.#next] = { sequence: this.#sequence, line: line.slice(0, longestLine) };
    this.#next = (this.#next + 1) % this.#most;
  }

  /** Lines after this sequence, at most the last `n` of them, oldest first. */
  after(sequence: number, n: number): LogLine[] {
    const all = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    const later = all.filter((line) => line.sequence > sequence);
    return later.slice(Math.max(0, later.length - n));
  }
}
