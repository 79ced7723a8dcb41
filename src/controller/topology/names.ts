/**
 * `KM1--KM2`, the smaller ID first: names a link or a pair, the same from both its ends. An ID that could be read
 * otherwise there is in quotes, as in JSON: `"a--b"--c` is not `a--"b--c"`.
 */
export function nameOf(a: string, b: string): string {
  return a < b ? `${nodeName(a)}--${nodeName(b)}` : `${nodeName(b)}--${nodeName(a)}`;
}

/** Whether a link or pair of this name ends at a KM. */
export function isEndIn(name: string, km: string): boolean {
  const part = nodeName(km);
  return name.startsWith(`${part}--`) || name.endsWith(`--${part}`);
}

/** How a node is called where links are, too, and in their names: by its KM ID, in quotes where that could be read otherwise. */
export function nodeName(km: string): string {
  return /--|^[-"]|-$/.test(km) ? JSON.stringify(km) : km;
}
