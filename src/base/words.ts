/** What is said to people, everywhere alike. Pure. */

/** `1 key`, `2 keys`, `1 234 keys`. @param many the plural, where it is not the word with an s */
export function counted(count: number, word: string, many = `${word}s`): string {
  const figure = String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, " ");
  return `${figure} ${Math.abs(count) === 1 ? word : many}`;
}

/** Edits (insert, remove, replace, exchange two neighbours) that make one word the other. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const replace = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = exchanged ? at(i - 2, j - 2) + 1 : replace;
      rows[i]?.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replace, swap));
    }
  }
  return at(a.length, b.length);
}

/** The known word that was probably meant; letters' case does not count. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const typed = word.slice(0, 64).toLowerCase();
  const ranked = known
    .map((one) => ({ one, edits: distance(typed, one.toLowerCase()) }))
    .filter(({ one, edits }) => edits <= Math.min(2, one.length / 2))
    .toSorted((a, b) => a.edits - b.edits);
  if (ranked[0] !== undefined) return ranked[0].one;
  // The beginning of one word alone: `emul` for `emulator`.
  const begun = typed.length < 3 ? [] : known.filter((one) => one.toLowerCase().startsWith(typed));
  return begun.length === 1 ? begun[0] : undefined;
}

/** `; did you mean X?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}
