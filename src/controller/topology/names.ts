/**
 * `KM1--KM2`, the smaller ID first: names a link or a pair, the same from both its ends. An ID that could be read
 * otherwise there is in quotes, as in JSON: `"a--b"--c` is not `a--"b--c"`.
 */
export function nameOf(a: string, b: string): string {
  return a < b ? `${partOf(a)}--${partOf(b)}` : `${partOf(b)}--${partOf(a)}`;
}

/** Whether a link or pair of this name ends at a KM. */
export function isEndIn(name: string, km: string): boolean {
  const part = partOf(km);
  return name.startsWith(`${part}--`) || name.endsWith(`--${part}`);
}

/** How a node is called where links are, too: by its KM ID, in quotes where that could be a link's name. */
export function nodeName(km: string): string {
  return partOf(km);
}

function partOf(id: string): string {
  return /--|^[-"]|-$/.test(id) ? JSON.stringify(id) : id;
}
