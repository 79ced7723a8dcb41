/** How long a text is, as people and other programs count: in code points. A unit of UTF-16 is half of some characters. Pure. */

/** @param most characters (code points) */
export function isLonger(text: string, most: number): boolean {
  // A code point has two units at most: what is longer is not looked at.
  return text.length > most && (text.length > 2 * most || [...text].length > most);
}
