/** Small mistakes, one at a time, in the text of a source file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equivalent } from "./equivalent.ts";
import type { Room } from "./rooms.ts";

export interface Mutant {
  /** From the repository's root. */
  readonly file: string;
  readonly line: number;
  /** What was changed, for a person. */
  readonly what: string;
  /** The whole file with it. */
  readonly text: string;
}

/** Each finds what it would change in a line, and says what stands there then. */
const swaps: readonly (readonly [found: RegExp, becomes: string])[] = [
  [/ === /g, " !== "],
  [/ !== /g, " === "],
  [/ < /g, " <= "],
  [/ <= /g, " < "],
  [/ > /g, " >= "],
  [/ >= /g, " > "],
  [/ && /g, " || "],
  [/ \|\| /g, " && "],
  [/\btrue\b/g, "false"],
  [/\bfalse\b/g, "true"],
  [/ \+ 1\b/g, ""],
  [/ - 1\b/g, ""],
  [/\+\+/g, "--"],
  [/ \?\? /g, " && "],
  [/if \(!/g, "if ("],
];

/** A statement of one line that does something: it is left out. */
const acts =
  /^\s+(?:await |void )?[\w.#?()]*\.(?:\w*(?:sync|wipe|fill|append|push|delete|clear|cancel|record|release|settle|remove|back|land|close|tell|forget|halt|stop|resume|pump|drop|leave)\w*)\(.*\);$/i;
const guard = /^\s+if \(.*\) (?:return|continue|break)\b.*;$/;

/** Not code, or only for the compiler; and tables for people. */
const silent =
  /^\s*(?:\*|\/\/|\/\*|import\b|export type|type\b|readonly\b|\|)|^\s*\w+\??:\s*(?:boolean|string|number)\b|\bassert\(/;

/** All that can be planted in a room. */
export function mutantsOf(root: string, room: Room): Mutant[] {
  return room.sources.flatMap((source) => filesOf(root, source)).flatMap((file) => of(root, file));
}

/** @returns mutants of a room, drawn at random, none of them on the list of those that change nothing */
export function draw(root: string, room: Room, count: number, next: () => number): Mutant[] {
  const drawn = mutantsOf(root, room)
    .map((mutant) => ({ mutant, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ mutant }) => mutant);
  return drawn.filter((mutant) => !isEquivalent(mutant)).slice(0, count);
}

function isEquivalent({ file, what }: Mutant): boolean {
  return equivalent.some((one) => file.endsWith(one.file) && what === one.what);
}

function filesOf(root: string, source: string): string[] {
  if (source.endsWith(".ts")) return [source];
  return readdirSync(join(root, source))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${source}${name}`);
}

function of(root: string, file: string): Mutant[] {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const mutants: Mutant[] = [];
  const add = (at: number, becomes: string, what: string) => {
    const text = lines.with(at, becomes).join("\n");
    mutants.push({ file, line: at + 1, what, text });
  };
  for (const [at, line] of lines.entries()) {
    if (silent.test(line)) continue;
    if (acts.test(line) || guard.test(line)) add(at, "", `without ${line.trim()}`);
    for (const [found, becomes] of swaps) {
      for (const match of line.matchAll(found)) {
        const changed = `${line.slice(0, match.index)}${becomes}${line.slice(match.index + match[0].length)}`;
        add(at, changed, `${line.trim()} → ${changed.trim()}`);
      }
    }
  }
  return mutants;
}
