/** `KM1--KM2`, the smaller ID first: names a link or a pair, the same from both its ends. */
export function nameOf(a: string, b: string): string {
  return a < b ? `${a}--${b}` : `${b}--${a}`;
}
