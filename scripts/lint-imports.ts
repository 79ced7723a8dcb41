/**
 * The dependency rules of the project, checked on every source file:
 * who may import whom, what is pure, what is too long. One rule is one entry of the table.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { wrap } from "../src/host/terminal/table.ts";
import {
  type Floor,
  floorOf,
  impure,
  keyRooms,
  pureFiles,
  pureRooms,
  roomOf,
  wholeConfigs,
} from "./floors.ts";
import { guardOutput } from "./tool.ts";

interface Import {
  /** What is written in the source. */
  readonly specifier: string;
  /** Path from the root of the project, for a file of its own; undefined for a package. */
  readonly file: string | undefined;
  /** Nothing of it is there when the program runs. */
  readonly isType: boolean;
  readonly line: number;
}

interface Source {
  /** Path from the root of the project, with `/`. */
  readonly file: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly what: string;
}

interface Rule {
  readonly name: string;
  readonly about: string;
  check(source: Source, all: ReadonlyMap<string, Source>): Omit<Problem, "file" | "rule">[];
}

const folders = ["src", "drivers", "scripts", "test"];
const maxLines = 400;

const impureModules =
  /^node:(fs|net|tls|http|https|timers|child_process|dgram|worker_threads|os)\b/;
const impureWords =
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask|Date\.now|performance\.now|process)\b/;

function imports(
  source: Source,
  wrong: (target: Import & { readonly file: string }) => boolean,
  what: (target: Import) => string,
) {
  return source.imports
    .filter((target): target is Import & { readonly file: string } => target.file !== undefined)
    .filter(wrong)
    .map((target) => ({ line: target.line, what: what(target) }));
}

/** Lines of code that match, outside of comments. */
function matches(source: Source, pattern: RegExp): { line: number; word: string }[] {
  return withoutComments(source.text)
    .split("\n")
    .flatMap((text, i) => {
      const found = pattern.exec(text);
      return found === null ? [] : [{ line: i + 1, word: found[0] }];
    });
}

export const rules: readonly Rule[] = [
  {
    name: "floors",
    about: "arrows go down: a floor imports only from those that its line in floors.ts names",
    check: (source) => {
      const own = floorOf(source.file);
      if (own === undefined) return [];
      const isAbove = (file: string) => {
        const floor = floorOf(file);
        return floor !== undefined && floor !== own && !own.sees.includes(floor.folder);
      };
      return imports(
        source,
        ({ file }) => isAbove(file),
        ({ file = "" }) => `imports ${file}: ${advice(own, floorOf(file))}`,
      );
    },
  },
  {
    name: "no-circle-of-rooms",
    about: "no folder reaches itself through others",
    check(source, all) {
      const circle = circleOf(source, all);
      return circle === undefined ? [] : [{ line: 1, what: circle.join(" → ") }];
    },
  },
  {
    name: "keys-stay-in-their-rooms",
    about: "src/port/key.ts is imported only in rooms that may have key bytes",
    check: (source) =>
      keyRooms.some((room) => source.file.startsWith(room))
        ? []
        : imports(
            source,
            ({ file }) => file === "src/port/key.ts",
            () => "imports the key type; rooms that may are in floors.ts",
          ),
  },
  {
    name: "tables-of-configuration",
    about: "a room is handed the tables that it needs; the whole configuration is for few",
    check: (source) =>
      imports(
        source,
        ({ file }) =>
          source.file.startsWith("src/") &&
          wholeConfigs.some(
            (whole) =>
              whole.file === file && !whole.seenBy.some((room) => source.file.startsWith(room)),
          ),
        ({ file }) =>
          `imports ${file}: take the tables that are needed, whose types are in tables.ts`,
      ),
  },
  {
    name: "pure",
    about: "codecs, cores and rules do no I/O, know no timer and no clock of their own",
    check: (source) =>
      isPure(source.file)
        ? [
            ...source.imports
              .filter(({ specifier, isType }) => !isType && impureModules.test(specifier))
              .map(({ line, specifier }) => ({ line, what: `imports ${specifier}` })),
            ...matches(source, impureWords).map(({ line, word }) => ({
              line,
              what: `uses ${word}: have it passed in, or move what needs it to io/ or wiring/`,
            })),
          ]
        : [],
  },
  {
    name: "production-knows-no-tests",
    about: "src/ and drivers/ import nothing from test/ or scripts/",
    check: (source) =>
      /^(src|drivers)\//.test(source.file)
        ? imports(
            source,
            ({ file }) => /^(test|scripts)\//.test(file),
            ({ file }) => `imports ${file}`,
          )
        : [],
  },
  {
    name: "one-table-of-tls",
    about: "who opens or serves TLS in src/ takes its options from src/host/tls/options.ts",
    check(source) {
      if (!source.file.startsWith("src/") || source.file === "src/host/tls/options.ts") return [];
      const own = matches(source, /\b(minVersion|ecdhCurve|rejectUnauthorized|secureProtocol)\b/);
      const tables = ["src/host/tls/options.ts", "src/node/io/https-agent.ts"];
      const table = source.imports.some(({ file = "" }) => tables.includes(file));
      const bare = table ? [] : source.imports.filter((one) => opensTls(one, source));
      return [
        ...own.map(({ line, word }) => ({ line, what: `sets ${word}` })),
        ...bare.map(({ line, specifier }) => ({ line, what: `imports ${specifier} without it` })),
      ];
    },
  },
  {
    name: "no-cycle",
    about: "no file imports itself through others (type imports count: they bind ideas too)",
    check(source, all) {
      const path = cycle(source.file, all);
      return path === undefined ? [] : [{ line: 1, what: path.join(" → ") }];
    },
  },
  {
    name: "one-idea-a-file",
    about: `no file over ${maxLines} lines`,
    check(source) {
      const lines = source.text.split("\n").length - 1;
      return lines > maxLines ? [{ line: maxLines, what: `${lines} lines` }] : [];
    },
  },
  {
    name: "plain-comments",
    about: "a comment names its subject: no whoever, nobody, somebody",
    check: (source) =>
      /^(src|drivers|scripts)\//.test(source.file)
        ? commentsOf(source.text).flatMap(({ line, text }) => {
            const found = /\b(whoever|nobody|somebody)\b/i.exec(text);
            return found === null ? [] : [{ line, what: `says ${found[0]}: who or what is it?` }];
          })
        : [],
  },
  {
    name: "no-test-switch",
    about: "src/ and drivers/ do not ask whether they are under test",
    check: (source) =>
      /^(src|drivers)\//.test(source.file)
        ? matches(source, /\b(NODE_ENV|AVA_PATH|JEST_WORKER_ID|isTest|underTest)\b/).map(
            ({ line, word }) => ({ line, what: `uses ${word}` }),
          )
        : [],
  },
];

/** Where what is wanted of a floor above belongs. */
function advice(own: Floor, wanted: Floor | undefined): string {
  const sees = own.sees.length === 0 ? "nothing below it" : own.sees.join(", ");
  return `${own.folder} (${own.about}) sees ${sees}; have it handed in, or move what is shared down from ${wanted?.folder}`;
}

function isPure(file: string): boolean {
  if (file in impure) return false;
  const inRoom = pureRooms.some((room) => file.startsWith(room)) && file.endsWith(".ts");
  return inRoom || pureFiles.some((pattern) => pattern.test(file));
}

/** The shortest way from a file's room back to it through others; told at the first file of the first room. */
function circleOf(source: Source, all: ReadonlyMap<string, Source>): string[] | undefined {
  const home = roomOf(source.file);
  const { first, sees } = roomsOf(all);
  if (first.get(home) !== source.file) return undefined;
  const way = wayBack(home, (room) => sees.get(room) ?? []);
  return way?.every((room) => home <= room) ? way : undefined;
}

interface Rooms {
  /** The file of each room that sorts first. */
  readonly first: ReadonlyMap<string, string>;
  /** The other rooms that each imports from. */
  readonly sees: ReadonlyMap<string, ReadonlySet<string>>;
}

const known = new WeakMap<ReadonlyMap<string, Source>, Rooms>();

/** The rooms of the house, looked at once. */
function roomsOf(all: ReadonlyMap<string, Source>): Rooms {
  const before = known.get(all);
  if (before !== undefined) return before;
  const first = new Map<string, string>();
  const sees = new Map<string, Set<string>>();
  for (const { file, imports } of all.values()) {
    if (floorOf(file) === undefined) continue;
    const room = roomOf(file);
    if (file < (first.get(room) ?? "~")) first.set(room, file);
    const seen = sees.get(room) ?? new Set();
    sees.set(room, seen);
    for (const { file: to } of imports) {
      if (to !== undefined && floorOf(to) !== undefined && roomOf(to) !== room)
        seen.add(roomOf(to));
    }
  }
  const rooms = { first, sees };
  known.set(all, rooms);
  return rooms;
}

/** Whether an import brings in what makes connections of TLS. */
function opensTls({ specifier, line }: Import, { text }: Source): boolean {
  if (specifier !== "node:tls" && specifier !== "node:https") return false;
  const [names = ""] = text
    .split("\n")
    .slice(line - 1)
    .join("\n")
    .split(" from ", 1);
  return (
    !names.startsWith("import type") && /\b(connect|createServer|Agent|request|get)\b/.test(names)
  );
}

const token =
  /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

/** The lines of comments. */
function commentsOf(text: string): { line: number; text: string }[] {
  return [...text.matchAll(token)].flatMap(({ 0: found, index }) => {
    if (!/^\/[/*]/.test(found)) return [];
    const first = text.slice(0, index).split("\n").length;
    return found.split("\n").map((one, i) => ({ line: first + i, text: one }));
  });
}

/** Blanks comments and nothing else; line numbers stay. */
function withoutComments(text: string): string {
  return text.replace(token, (found) =>
    found.startsWith("//") || found.startsWith("/*") ? found.replace(/[^\n]/g, " ") : found,
  );
}

function findImports(text: string, file: string): Import[] {
  const pattern =
    /\b(?:import|export)\b[^"'`;()]*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;
  const code = withoutComments(text);
  return [...code.matchAll(pattern)].map((match) => {
    const specifier = (match[1] ?? match[2]) as string;
    const own = specifier.startsWith(".");
    return {
      specifier,
      file: own ? relative(".", resolve(dirname(file), specifier)) : undefined,
      isType: /^(import|export) type\b/.test(match[0]),
      line: code.slice(0, match.index).split("\n").length,
    };
  });
}

/** The shortest way from a file back to itself, reported only at the file that sorts first. */
function cycle(start: string, all: ReadonlyMap<string, Source>): string[] | undefined {
  const way = wayBack(start, (file) =>
    (all.get(file)?.imports ?? []).flatMap(({ file: to }) => to ?? []),
  );
  return way?.every((other) => start <= other) ? way : undefined;
}

function wayBack(start: string, from: (place: string) => Iterable<string>): string[] | undefined {
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const place of from(path.at(-1) as string)) {
      if (place === start) return [...path, start];
      if (seen.has(place)) continue;
      seen.add(place);
      queue.push([...path, place]);
    }
  }
  return undefined;
}

function readSources(root: string): Map<string, Source> {
  const sources = new Map<string, Source>();
  for (const folder of folders) {
    let entries: string[];
    try {
      entries = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    } catch {
      continue;
    }
    for (const entry of entries.sort()) {
      if (!/\.(ts|mjs)$/.test(entry)) continue;
      const file = join(folder, entry);
      const text = readFileSync(join(root, file), "utf8");
      sources.set(file, { file, text, imports: findImports(text, file) });
    }
  }
  return sources;
}

/** Checks the project in `root`. */
export function lint(root: string): Problem[] {
  const sources = readSources(root);
  return [...sources.values()].flatMap((source) =>
    rules.flatMap((rule) =>
      rule
        .check(source, sources)
        .map((found) => ({ ...found, file: source.file, rule: rule.name })),
    ),
  );
}

function main(args: readonly string[]): number {
  if (args.includes("--help")) {
    for (const { name, about } of rules) {
      process.stdout.write(`${wrap(`${name}: ${about}`, 78).join("\n  ")}\n`);
    }
    return 0;
  }
  const [stray] = args;
  if (stray !== undefined) {
    process.stderr.write(
      `lint-imports: ${stray} is not an option, and all files are checked: no files are named\n`,
    );
    return 64;
  }
  const problems = lint(fileURLToPath(new URL("..", import.meta.url)));
  for (const { file, line, rule, what } of problems) {
    process.stdout.write(`${file}:${line}: ${rule}: ${what}\n`);
  }
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  guardOutput("lint-imports");
  process.exitCode = main(process.argv.slice(2));
}
