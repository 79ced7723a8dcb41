/** Tables and wrapped text that fit a terminal. Pure. */
import { fitting } from "./columns.ts";
import { visible } from "./terminal.ts";

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

function pad(text: string, width: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, width - visible(text)));
  return right ? space + text : text + space;
}

/** Where a word that is too long is cut: names behind a dot or `_`, if that leaves half of the line. */
function cutOf(word: string, width: number): number {
  const end = fitting(word, width);
  const cut = Math.max(word.lastIndexOf(".", end - 1), word.lastIndexOf("_", end - 1)) + 1;
  return cut > end / 2 ? cut : end;
}

/** Words in lines of at most `width` columns; a word that is longer is cut into pieces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let rest = word;
    if (line !== "" && visible(line) + 1 + visible(rest) <= width) {
      line += ` ${rest}`;
      continue;
    }
    if (line !== "") lines.push(line);
    while (visible(rest) > width) {
      const cut = cutOf(rest, width);
      lines.push(rest.slice(0, cut));
      rest = rest.slice(cut);
    }
    line = rest;
  }
  return [...lines, line];
}

/** Of lines below a row's others. */
const indent = "    ";

/**
 * A table of at most `width` columns: the last is wrapped where it must be, or put below the others. If these alone are
 * too wide, each row is a list of its own, of titles and cells.
 * @param rows cells as they are to be seen, with their colours
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string[] {
  const last = columns.length - 1;
  const widths = columns.map(({ title }, i) =>
    Math.max(visible(title), ...rows.map((row) => visible(row[i] ?? ""))),
  );
  const before = widths.slice(0, last).reduce((sum, each) => sum + each + 2, 0);
  const room = width - before;
  const isTitled = columns.some(({ title }) => title !== "");
  if (isTitled && rows.length > 0 && room < Math.min(12, widths[last] as number)) {
    return rows.flatMap((row, i) => [...(i === 0 ? [] : [""]), ...listed(columns, row, width)]);
  }
  const lines: string[] = [];
  const put = (cells: readonly string[]) => {
    const head = cells
      .slice(0, last)
      .map((cell, i) => pad(cell, widths[i] as number, columns[i]?.right === true));
    const tail = cells[last] ?? "";
    const right = columns[last]?.right === true;
    // In a third of the width a path or a sentence is in pieces that are not read, nor copied.
    if (room < width / 3 && visible(tail) > room) {
      const front = head.join("  ").trimEnd();
      if (front !== "") lines.push(...wrap(front, width));
      if (tail === "") return;
      lines.push(...wrap(tail, width - indent.length).map((text) => indent + text));
      return;
    }
    const wrapped =
      visible(tail) <= room
        ? [right ? pad(tail, Math.min(room, widths[last] as number), true) : tail]
        : wrap(tail, room);
    wrapped.forEach((text, i) => {
      const front = i === 0 ? head.map((cell) => `${cell}  `).join("") : " ".repeat(before);
      lines.push(`${front}${text}`.trimEnd());
    });
  };
  if (isTitled) put(columns.map(({ title }) => title));
  for (const row of rows) put(row);
  return lines;
}

/** A row by itself: what its cells are beside each. */
function listed(columns: readonly Column[], row: readonly string[], width: number): string[] {
  const pairs = columns.map(({ title }, i) => [title, row[i] ?? ""] as const);
  return facts(
    pairs.filter(([, cell]) => cell !== ""),
    width,
  );
}

/** Names and values, one a line; values are wrapped beside their name. */
export function facts(
  pairs: readonly (readonly [string, string])[],
  width: number,
  indent = 0,
): string[] {
  const margin = " ".repeat(indent);
  return table([{ title: "" }, { title: "" }], pairs, width - indent).map((line) =>
    (margin + line).trimEnd(),
  );
}
