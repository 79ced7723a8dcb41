/** Columns that text takes on a terminal: a letter as people see it may be several characters, and two columns wide. Pure. */

const letters = new Intl.Segmenter("en", { granularity: "grapheme" });
const narrow = /^[\x20-\x7e]*$/;
/** Marks, joiners and the like, which have no place of their own. */
const unseen = /^[\p{M}\p{Cf}\p{Cc}\u3164]*$/u;
/** East Asian Wide and Fullwidth (Unicode Annex 11), in blocks. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;
const emoji = /\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;

/** Letters as people see them. */
export function lettersOf(text: string): string[] {
  return Array.from(letters.segment(text), ({ segment }) => segment);
}

/** @param text without colours or other control characters */
export function columnsOf(text: string): number {
  if (narrow.test(text)) return text.length;
  return lettersOf(text).reduce((sum, letter) => sum + widthOf(letter), 0);
}

/** The longest beginning that takes at most so many columns, and no less than a letter. @returns its length in UTF-16 */
export function fitting(text: string, columns: number): number {
  if (narrow.test(text)) return Math.min(text.length, Math.max(1, columns));
  let [end, taken] = [0, 0];
  for (const letter of lettersOf(text)) {
    taken += widthOf(letter);
    if (taken > columns && end > 0) break;
    end += letter.length;
  }
  return end;
}

function widthOf(letter: string): number {
  if (unseen.test(letter)) return 0;
  return wide.test(letter) || emoji.test(letter) ? 2 : 1;
}
