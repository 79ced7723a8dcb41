/** `scripts/weaknesses`: known weaknesses in the parts of bills of materials, less those that were judged. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../image.d/board.ts";
import { readWeaknesses } from "../release.d/vex.ts";
import { guardOutput } from "../tool.ts";
import { AskError, askNode, askOsv, type Found } from "./ask.ts";
import { type Asked, partsOf, readBill } from "./parts.ts";

const usage = `scripts/weaknesses BILL…: known weaknesses in parts that are not ours

  BILL           bills of materials (CycloneDX): of a release, of an image, of
                 npm run build

  --osv URL      who is asked about packages of npm and Debian (default
                 https://api.osv.dev)
  --node URL     Node.js' releases (default https://nodejs.org/dist/index.json)
  --judged FILE  those that were judged (default security/weaknesses.toml)
  --json
  --help

Names and versions of public packages leave this machine, and nothing else.
Exit codes: 0 none that was not judged, 1 there are, 64 wrong command line, or
a file that is no bill or list of judged ones, 69 a list cannot be asked: what
the other one says is told nevertheless, and is not all, 74 the output cannot be
written.
`;

const options = {
  osv: { type: "string", default: "https://api.osv.dev" },
  node: { type: "string", default: "https://nodejs.org/dist/index.json" },
  judged: { type: "string", default: join(root, "security/weaknesses.toml") },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

async function main(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    process.stderr.write(
      `weaknesses: ${(error as Error).message}\nTry: scripts/weaknesses --help\n`,
    );
    return 64;
  }
  const { values, positionals: bills } = parsed;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (bills.length === 0) {
    process.stderr.write("weaknesses: a BILL is needed\nTry: scripts/weaknesses --help\n");
    return 64;
  }
  // All of them are read before any list is asked.
  const judged = await fileAs(values.judged, readWeaknesses);
  const read: { readonly file: string; readonly asked: Asked }[] = [];
  for (const file of bills) {
    read.push({ file, asked: await fileAs(file, (text) => partsOf(readBill(text))) });
  }
  const isJudged = ({ id, name, version }: Found) =>
    judged.some((one) => {
      return (
        (one.id === id || one.also.includes(id)) && one.part === name && one.version === version
      );
    });
  const report = [];
  for (const { file, asked } of read) {
    const { parts, node, unasked } = asked;
    const answers = await Promise.all([
      answered(() => askOsv(values.osv, parts)),
      answered(async () => (node === undefined ? [] : askNode(values.node, node))),
    ]);
    const found = answers.flatMap(({ found }) => found);
    const open = found.filter((one) => !isJudged(one));
    report.push({
      bill: file,
      asked: parts.length,
      node: node !== undefined,
      unasked,
      judged: found.length - open.length,
      open,
      unanswered: answers.flatMap(({ why }) => why ?? []),
    });
  }
  process.stdout.write(
    values.json ? `${JSON.stringify(report, undefined, 2)}\n` : report.map(inWords).join(""),
  );
  for (const { bill, unanswered } of report) {
    for (const why of unanswered) {
      process.stderr.write(`weaknesses: ${why}: what it knows of ${bill} was NOT looked up\n`);
    }
  }
  if (report.some(({ unanswered }) => unanswered.length > 0)) return 69;
  return report.some(({ open }) => open.length > 0) ? 1 : 0;
}

/** A file that cannot be read, or has not what is wanted in it. */
class FileError extends Error {}

/** @throws FileError */
async function fileAs<T>(file: string, read: (text: string) => T): Promise<T> {
  try {
    return read(await readFile(file, "utf8"));
  } catch (error) {
    throw new FileError(`${file}: ${(error as Error).message}`);
  }
}

/** A list that cannot be asked is no empty list: why goes along. */
async function answered(
  ask: () => Promise<Found[]>,
): Promise<{ readonly found: readonly Found[]; readonly why?: string }> {
  try {
    return { found: await ask() };
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    return { found: [], why: error.message };
  }
}

function parse(args: string[]) {
  return parseArgs({ args, options, allowPositionals: true });
}

interface Report {
  readonly bill: string;
  readonly asked: number;
  /** Whether Node.js is one of its parts, and was asked for. */
  readonly node: boolean;
  readonly unasked: readonly string[];
  readonly judged: number;
  readonly open: readonly Found[];
  /** Lists that could not be asked, and why. */
  readonly unanswered: readonly string[];
}

function inWords({ bill, asked, node, unasked, judged, open, unanswered }: Report): string {
  const whole =
    unanswered.length === 0
      ? ""
      : `; NOT COMPLETE, ${unanswered.length} of 2 lists could not be asked`;
  const head = `${bill}: ${asked} packages${node ? " and Node.js" : ""} asked for; ${judged} known and judged, ${open.length} not${whole}\n`;
  const lines = open.map(({ id, name, version }) => `  ${id}  ${name} ${version}\n`).join("");
  const rest = unasked.length === 0 ? "" : `  in no list: ${unasked.join(", ")}\n`;
  return head + lines + rest;
}

guardOutput("weaknesses");
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof FileError)) throw error;
  process.stderr.write(`weaknesses: ${error.message}\n`);
  process.exitCode = 64;
}
