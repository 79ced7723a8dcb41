/** In which line of a TOML file a key stands: the parser does not say. Pure. */

/** The parts of `a."b.c".d`; undefined if it is none. */
function parts(dotted: string): string[] | undefined {
  const found: string[] = [];
  let rest = dotted.trim();
  while (rest !== "") {
    const [all, bare, basic, literal] =
      /^(?:([\w-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:\.\s*|$)/.exec(rest) ?? [];
    if (all === undefined) return undefined;
    found.push(bare ?? basic ?? literal ?? "");
    rest = rest.slice(all.length);
  }
  return found.length === 0 ? undefined : found;
}

const header = /^\s*(\[\[?)([^[\]]+)\]\]?\s*(?:#.*)?$/;
const pair =
  /^\s*((?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=/;

/**
 * Lines by key path, as messages write them: `km.main.port`, `module[0].driver.path`. Tables have the
 * line of their header. A text of several lines may be mistaken for keys.
 * @param text a file that is TOML
 */
export function keyLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  /** How many tables of an array there are so far. */
  const counts = new Map<string, number>();
  const inside = (path: string, name: string) => {
    const whole = path === "" ? name : `${path}.${name}`;
    const count = counts.get(whole);
    return count === undefined ? whole : `${whole}[${count - 1}]`;
  };
  let table = "";
  for (const [i, line] of text.split("\n").entries()) {
    const [, brackets, name = ""] = header.exec(line) ?? [];
    const path = parts(brackets === undefined ? (pair.exec(line)?.[1] ?? "") : name);
    if (path === undefined) continue;
    if (brackets === undefined) {
      note(lines, path.reduce(inside, table), i + 1);
      continue;
    }
    const last = path.pop() as string;
    const above = path.reduce(inside, "");
    table = above === "" ? last : `${above}.${last}`;
    if (brackets === "[[") {
      const count = (counts.get(table) ?? 0) + 1;
      counts.set(table, count);
      table = `${table}[${count - 1}]`;
    }
    note(lines, table, i + 1);
  }
  return lines;
}

function note(lines: Map<string, number>, path: string, line: number): void {
  if (!lines.has(path)) lines.set(path, line);
}

/** The line of a key, or else of the table that it should be in; undefined if it has none. */
export function lineOf(lines: ReadonlyMap<string, number>, key: string): number | undefined {
  for (let path = key; path !== ""; path = path.replace(/(^|\.)[^.[\]]+$|\[\d+\]$/, "")) {
    const line = lines.get(path);
    if (line !== undefined) return line;
    if (!/[.[]/.test(path)) return undefined;
  }
  return undefined;
}
