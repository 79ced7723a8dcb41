/**
 * The simplex method for the linear programs of shares, on a dense table of which most numbers are 0: bounded, so that
 * it always ends. Variables and limits may be added to a program that was solved, and goals may follow one another: each
 * goes on from where the one before ended.
 */

/** What is left of a bound of time: numbers of tables that may still be computed. */
export interface Work {
  left: number;
}

const tiny = 1e-9;
/** A variable that would cost this much of what was reached is not used any more. */
const dear = 1e-7;
/** What is this near to 0 is what rounding made of it. */
const none = 1e-12;
/** Columns that there is room for, when there is none left. */
const room = 64;

/** Rows of `factors · x <= limit` with `x >= 0`, and a goal that is made as large as it can be. */
export class Program {
  /** Rows; of each {@link #count} numbers count. */
  readonly #table: Float64Array[];
  /** Of the rows, and of the goal. */
  readonly #limits: number[];
  #goal = new Float64Array(room);
  /** Variables by number, of the columns; what is left of limit i is the variable -1 - i. */
  readonly #aside: number[] = [];
  /** Of the columns: is to stay 0. */
  readonly #isLocked: boolean[] = [];
  /** Variables of the rows. */
  readonly #based: number[];
  readonly #work: Work;
  #variables = 0;
  /** Steps that gained nothing, one after another. */
  #idle = 0;

  /** @param limits none is negative @param work is used up by what is computed */
  constructor(limits: readonly number[], work: Work) {
    this.#work = work;
    this.#limits = [...limits];
    this.#table = limits.map(() => new Float64Array(room));
    this.#based = limits.map((_, i) => -1 - i);
  }

  /** Columns. */
  get #count(): number {
    return this.#aside.length;
  }

  /**
   * One more variable, which the goal does not ask for: a column of the rows that it is in.
   * @param entries row and factor @returns its number, from 0
   */
  add(entries: readonly (readonly [row: number, factor: number])[]): number {
    const n = this.#count;
    if (n >= this.#goal.length) this.#widen();
    this.#work.left -= (entries.length + 1) * this.#table.length;
    let cost = 0;
    for (const [row, factor] of entries) {
      // What is left of a limit has, in the table of now, the column that its row began with.
      const based = this.#based.indexOf(-1 - row);
      if (based >= 0) {
        const line = this.#table[based] as Float64Array;
        line[n] = (line[n] as number) + factor;
        continue;
      }
      const at = this.#aside.indexOf(-1 - row);
      for (const line of this.#table) line[n] = (line[n] as number) + factor * (line[at] as number);
      cost += factor * (this.#goal[at] as number);
    }
    for (const line of this.#table) if (Math.abs(line[n] as number) < none) line[n] = 0;
    this.#goal[n] = cost;
    this.#aside.push(this.#variables);
    this.#isLocked.push(false);
    return this.#variables++;
  }

  /** No more of a variable that was just added than this. */
  bound(variable: number, limit: number): void {
    const row = new Float64Array(this.#goal.length);
    row[this.#aside.indexOf(variable)] = 1;
    this.#based.push(-1 - this.#table.length);
    this.#table.push(row);
    this.#limits.push(limit);
  }

  /** Takes a variable into a row whose limit is 0 so far, for a start that is not all zeros. */
  enter(variable: number, row: number): void {
    this.#exchange(this.#based.indexOf(-1 - row), this.#aside.indexOf(variable));
  }

  /** What is to be as large as it can be from now on: the sum of variables by what they are worth. */
  aim(worth: (variable: number) => number): void {
    const n = this.#count;
    for (let j = 0; j < n; j++) {
      const variable = this.#aside[j] as number;
      this.#goal[j] = variable >= 0 ? -worth(variable) : 0;
    }
    for (const [i, variable] of this.#based.entries()) {
      const by = variable >= 0 ? worth(variable) : 0;
      if (by === 0) continue;
      const line = this.#table[i] as Float64Array;
      for (let j = 0; j < n; j++) {
        this.#goal[j] = (this.#goal[j] as number) + by * (line[j] as number);
      }
    }
    this.#idle = 0;
  }

  /** @returns whether it was reached; false: there is no work left, and it goes on from here the next time */
  solve(): boolean {
    for (;;) {
      if (this.#work.left <= 0) return false;
      // Steps that gain nothing may come round in a circle; by Bland's rule they do not.
      const isCareful = this.#idle > this.#table.length;
      const column = this.#entering(isCareful);
      if (column < 0) return true;
      const row = this.#leaving(column, isCareful);
      if (row < 0) return true;
      this.#idle = (this.#limits[row] as number) > tiny ? 0 : this.#idle + 1;
      this.#work.left -= this.#exchange(row, column);
    }
  }

  /** By how much the goal grows with each limit; less than 0 where what would be gained by less is locked. */
  prices(): Float64Array {
    const prices = new Float64Array(this.#table.length);
    for (const [j, one] of this.#aside.entries()) {
      if (one < 0) prices[-1 - one] = this.#goal[j] as number;
    }
    return prices;
  }

  /** What each variable is. */
  values(): Float64Array {
    const x = new Float64Array(this.#variables);
    for (const [i, one] of this.#based.entries()) {
      if (one >= 0) x[one] = Math.max(0, this.#limits[i] as number);
    }
    return x;
  }

  /** What was reached is kept whatever else is aimed at: what would cost of it stays 0. */
  lock(): void {
    for (let j = this.#count - 1; j >= 0; j--) {
      if ((this.#goal[j] as number) <= dear) continue;
      // Columns of limits are needed for what is added; of variables that stay 0 nothing is.
      if ((this.#aside[j] as number) < 0) this.#isLocked[j] = true;
      else this.#drop(j);
    }
  }

  /** Takes a variable away that is 0, and was just added. */
  remove(variable: number): void {
    this.#drop(this.#aside.indexOf(variable));
  }

  /** Of the variable's row: the factor of another, which is 0; how much one changes with the other. */
  factor(variable: number, other: number): number {
    const row = this.#table[this.#based.indexOf(variable)];
    return row?.[this.#aside.indexOf(other)] ?? 0;
  }

  #drop(column: number): void {
    const last = this.#count - 1;
    for (const line of [...this.#table, this.#goal]) {
      line[column] = line[last] as number;
      line[last] = 0;
    }
    this.#aside[column] = this.#aside[last] as number;
    this.#isLocked[column] = this.#isLocked[last] as boolean;
    this.#aside.pop();
    this.#isLocked.pop();
  }

  /**
   * The column that gains most for how far all variables go with it (the steepest edge, which needs less than half as
   * many steps), or of those that gain the first variable; -1: none gains.
   */
  #entering(isCareful: boolean): number {
    let best = -1;
    let most = 0;
    for (let j = 0; j < this.#count; j++) {
      const gain = this.#goal[j] as number;
      if (gain >= -tiny || this.#isLocked[j]) continue;
      if (isCareful) {
        if (best < 0 || (this.#aside[j] as number) < (this.#aside[best] as number)) best = j;
        continue;
      }
      const slope = (gain * gain) / this.#length(j);
      if (slope > most) [best, most] = [j, slope];
    }
    return best;
  }

  /** Of a column, squared. */
  #length(column: number): number {
    let sum = 1;
    // Down a column numbers lie far apart.
    this.#work.left -= this.#table.length * 4;
    for (const line of this.#table) {
      const factor = line[column] as number;
      if (factor !== 0) sum += factor * factor;
    }
    return sum;
  }

  /** The row whose limit is met first; of several the steepest, or the first variable; -1: none is met. */
  #leaving(column: number, isCareful: boolean): number {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    let steepest = 0;
    for (let i = 0; i < this.#table.length; i++) {
      const slope = (this.#table[i] as Float64Array)[column] as number;
      if (slope <= tiny) continue;
      const ratio = Math.max(0, this.#limits[i] as number) / slope;
      const isAlike = best >= 0 && Math.abs(ratio - least) <= tiny;
      const isFirst = isCareful
        ? (this.#based[i] as number) < (this.#based[best] ?? 0)
        : slope > steepest;
      if (isAlike ? isFirst : ratio < least) [best, least, steepest] = [i, ratio, slope];
    }
    return best;
  }

  /** The column's variable takes the place of the row's. @returns numbers that were computed */
  #exchange(row: number, column: number): number {
    const pivot = this.#table[row] as Float64Array;
    const by = pivot[column] as number;
    const columns: number[] = [];
    for (let j = 0; j < this.#count; j++) {
      if (j === column || pivot[j] === 0) continue;
      pivot[j] = (pivot[j] as number) / by;
      columns.push(j);
    }
    pivot[column] = 1 / by;
    const limit = (this.#limits[row] as number) / by;
    this.#limits[row] = limit;
    let count = this.#table.length + this.#count;
    const subtract = (line: Float64Array) => {
      const factor = line[column] as number;
      if (factor === 0) return 0;
      for (const j of columns) {
        const value = (line[j] as number) - factor * (pivot[j] as number);
        line[j] = Math.abs(value) < none ? 0 : value;
      }
      line[column] = -factor / by;
      count += columns.length;
      return factor;
    };
    for (let i = 0; i < this.#table.length; i++) {
      if (i === row) continue;
      const factor = subtract(this.#table[i] as Float64Array);
      if (factor !== 0) this.#limits[i] = (this.#limits[i] as number) - factor * limit;
    }
    subtract(this.#goal);
    const variable = this.#aside[column] as number;
    this.#aside[column] = this.#based[row] as number;
    this.#isLocked[column] = false;
    this.#based[row] = variable;
    return count;
  }

  #widen(): void {
    const wider = (line: Float64Array) => {
      const wide = new Float64Array(line.length + room);
      wide.set(line);
      return wide;
    };
    for (const [i, line] of this.#table.entries()) this.#table[i] = wider(line);
    this.#goal = wider(this.#goal);
  }
}
