/** A small linear program, by the simplex method on a dense tableau. For tests: exact enough, and easy to see through. */

const tiny = 1e-9;

/**
 * Maximises `goal · x` with `rows · x ≤ limits` and `x ≥ 0`.
 * @param limits none is negative, so that 0 is a solution
 * @returns the solution, and the price of each row (its dual value)
 */
export function maximise(
  goal: readonly number[],
  rows: readonly (readonly number[])[],
  limits: readonly number[],
): { readonly x: readonly number[]; readonly prices: readonly number[]; readonly value: number } {
  const n = goal.length;
  const m = rows.length;
  const width = n + m + 1;
  const table = rows.map((row, i) => {
    const line = new Float64Array(width);
    line.set(row);
    line[n + i] = 1;
    line[width - 1] = limits[i] as number;
    return line;
  });
  const last = new Float64Array(width);
  for (let j = 0; j < n; j++) last[j] = -(goal[j] as number);
  const basis = rows.map((_, i) => n + i);
  let idle = 0;
  for (let step = 0; ; step++) {
    if (step > 50_000) throw new Error("the simplex method does not end");
    const column = entering(last, width - 1, idle > 500);
    if (column < 0) break;
    const row = leaving(table, basis, column, width - 1);
    if (row < 0) throw new Error("the program has no bound");
    idle = ((table[row] as Float64Array)[width - 1] as number) > tiny ? 0 : idle + 1;
    pivot(table, last, row, column);
    basis[row] = column;
  }
  const x = new Array<number>(n).fill(0);
  for (const [i, column] of basis.entries()) {
    if (column < n) x[column] = (table[i] as Float64Array)[width - 1] as number;
  }
  return { x, prices: [...last.subarray(n, n + m)], value: last[width - 1] as number };
}

/** The steepest column; by Bland's rule the first, which never goes in circles. */
function entering(last: Float64Array, count: number, isBland: boolean): number {
  let best = -1;
  let least = -tiny;
  for (let j = 0; j < count; j++) {
    const value = last[j] as number;
    if (value >= least) continue;
    if (isBland) return j;
    [best, least] = [j, value];
  }
  return best;
}

function leaving(
  table: readonly Float64Array[],
  basis: readonly number[],
  column: number,
  end: number,
): number {
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, line] of table.entries()) {
    const slope = line[column] as number;
    if (slope <= tiny) continue;
    const ratio = (line[end] as number) / slope;
    const isTie = best >= 0 && Math.abs(ratio - least) <= tiny;
    if (isTie ? (basis[i] as number) < (basis[best] as number) : ratio < least) {
      [best, least] = [i, ratio];
    }
  }
  return best;
}

function pivot(
  table: readonly Float64Array[],
  last: Float64Array,
  row: number,
  column: number,
): void {
  const line = table[row] as Float64Array;
  const by = line[column] as number;
  const used: number[] = [];
  for (let j = 0; j < line.length; j++) {
    if (line[j] === 0) continue;
    line[j] = (line[j] as number) / by;
    used.push(j);
  }
  for (const other of [...table, last]) {
    const factor = other[column] as number;
    if (other === line || factor === 0) continue;
    for (const j of used) other[j] = (other[j] as number) - factor * (line[j] as number);
  }
}
