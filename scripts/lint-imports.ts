/**
 * The dependency rules of the project, checked on every source file:
 * who may import whom, what is pure, what is too long. One rule is one entry of the table.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface Import {
  /** What is written in the source. */
  readonly specifier: string;
  /** Path from the root of the project, for a file of its own; undefined for a package. */
  readonly file: string | undefined;
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

const pure = [
  /^drivers\/.*\/(cobs|deframer|frame|arq|hello|blocks|commands|telemetry|assembly|check|notification|stock|rates|messages)\.ts$/,
  /^drivers\/panel\/(report|button|lights|relay)\.ts$/,
  /^src\/panel\/(guard|zeroizer)\.ts$/,
  /^src\/kq1\/(names|json|frame|supply|request|request-flow|answer-room|base64|engine|engine-code|answer|reason|outgoing|peer|patience|heard|etsi014)\.ts$/,
  /^src\/(telemetry|alarms)\//,
  /^src\/custody\/(custody|aside|deliveries|options|past|releases|events|cuts|cutter|supplies|desk|stock|answers|request-slot|left-over|quarantine|slices|key-id|queue|ledger-record|ledger-index|ledger-scan|ports|counters)\.ts$/,
  /^src\/manager\/(topics|payloads|outbox-queue|outbox-record|packet-meter|waits|view)\.ts$/,
  /^src\/sparkplug\/(protobuf|payload|edge|metrics)\.ts$/,
  /^src\/control\/(authority|commands|jws|memory|request)\.ts$/,
  /^src\/lifecycle\/(retry|event-history)\.ts$/,
  /^src\/local\/(protocol|paths|log-ring|answers|view)\.ts$/,
  /^src\/cli\/(ascii|command-info|commands|console-rules|health|help|since|schema|schema-parts|schema-status|shapes|table|units)\.ts$/,
  /^src\/config\/(redact|toml|lines|password)\.ts$/,
  /^src\/support\/(tar|scrub|guard|telemetry-csv)\.ts$/,
  /^src\/doctor\/(finding|subject)\.ts$/,
  /^src\/update\/(slots|allowance)\.ts$/,
  /^src\/site\/(manifest|decide)\.ts$/,
  /^src\/port\/(?!clock)/,
  /^src\/door\/(source|pace|effort)\.ts$/,
];
const impureModules =
  /^node:(fs|net|tls|http|https|timers|child_process|dgram|worker_threads|os)\b/;
const impureWords = /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.now|process)\b/;

const keyUsers = /^(drivers|src\/port|src\/custody|src\/kq1|test|scripts)\//;
const driverUsers = /^(drivers|test|scripts)\/|^src\/(main|cli)[\w-]*\.ts$/;

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
    name: "drivers-see-the-port-only",
    about: "drivers/ imports from src/ only src/port/",
    check: (source) =>
      source.file.startsWith("drivers/")
        ? imports(
            source,
            ({ file }) => file.startsWith("src/") && !file.startsWith("src/port/"),
            ({ file }) => `imports ${file}`,
          )
        : [],
  },
  {
    name: "keys-stay-with-custody",
    about: "src/port/key.ts is imported only by drivers, port, custody, Kq-1 and tests",
    check: (source) =>
      keyUsers.test(source.file)
        ? []
        : imports(
            source,
            ({ file }) => file === "src/port/key.ts",
            () => "imports the key type",
          ),
  },
  {
    name: "pure",
    about: "codecs, state machines and rules do no I/O, know no timer and no clock of their own",
    check: (source) =>
      pure.some((pattern) => pattern.test(source.file))
        ? [
            ...source.imports
              .filter(({ specifier }) => impureModules.test(specifier))
              .map(({ line, specifier }) => ({ line, what: `imports ${specifier}` })),
            ...matches(source, impureWords).map(({ line, word }) => ({
              line,
              what: `uses ${word}`,
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
    name: "main-wires",
    about: "of src/, only main.ts and cli.ts import drivers/",
    check: (source) =>
      driverUsers.test(source.file)
        ? []
        : imports(
            source,
            ({ file }) => file.startsWith("drivers/"),
            ({ file }) => `imports ${file}`,
          ),
  },
  {
    name: "one-table-of-tls",
    about: "who opens or serves TLS in src/ takes its options from src/tls/options.ts",
    check(source) {
      if (!source.file.startsWith("src/") || source.file === "src/tls/options.ts") return [];
      const own = matches(source, /\b(minVersion|ecdhCurve|rejectUnauthorized|secureProtocol)\b/);
      const tables = ["src/tls/options.ts", "src/kq1/https-agent.ts"];
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

/** Blanks comments and nothing else; line numbers stay. */
function withoutComments(text: string): string {
  const token =
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
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
      line: code.slice(0, match.index).split("\n").length,
    };
  });
}

/** The shortest way from a file back to itself, reported only at the file that sorts first. */
function cycle(start: string, all: ReadonlyMap<string, Source>): string[] | undefined {
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const { file } of all.get(path.at(-1) as string)?.imports ?? []) {
      if (file === start)
        return path.every((other) => start <= other) ? [...path, start] : undefined;
      if (file === undefined || seen.has(file)) continue;
      seen.add(file);
      queue.push([...path, file]);
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
    for (const { name, about } of rules) process.stdout.write(`${name}: ${about}\n`);
    return 0;
  }
  const problems = lint(fileURLToPath(new URL("..", import.meta.url)));
  for (const { file, line, rule, what } of problems) {
    process.stdout.write(`${file}:${line}: ${rule}: ${what}\n`);
  }
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
