/** A text for people that fits: no longer, without control characters, and good Unicode wherever it was cut. Pure. */

/** @param most UTF-16 code units, the ellipsis that stands for the rest among them */
export function shortText(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return cut.replace(/\p{Cc}/gu, " ").toWellFormed();
}
