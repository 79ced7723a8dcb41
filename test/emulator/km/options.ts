/** The command line of `scripts/km`. */
import { parseArgs } from "node:util";
import type { Behaviour } from "./behaviours.ts";
import { misbehaviours } from "./misbehaviours.ts";

/** Names in lines that fit a terminal. */
function wrapped(names: readonly string[]): string {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length < 58)
      lines[lines.length - 1] = `${last}, ${name}`;
    else lines.push(name);
  }
  return lines.map((line) => `                    ${line}`).join("\n");
}

export const usage = `Usage: scripts/km --port PORT --cert FILE --key FILE --ca FILE [options]
       scripts/km --port PORT --plain [options]

A key manager for tests: accepts QKD-keys over Kq-1 (TCP or HTTPS, TLS 1.3 with
mutual authentication), holds them in memory, and prints a line for each, never
its bytes. Ends with a summary at SIGINT, SIGTERM, or once it holds N keys.

  --port PORT       TCP port to listen on; 0 for a free one
  --host HOST       address to listen on (default 127.0.0.1)
  --cert FILE       the KM's certificate, PEM
  --key FILE        its private key, PEM
  --ca FILE         the authority that the nodes' certificates are from, PEM
  --plain           TCP without TLS; for a bench, where nobody listens
  --https           Kq-1 over HTTPS (Annex B) instead of TCP
  --request-every N ask the node for keys every N ms, over TCP (request mode)
  --number N, --size BITS
                    how many keys, and how long (default: the node's)
  --misbehave NAME=N
                    for the next N keys; may be repeated. One of:
${wrapped(Object.keys(misbehaviours))}
  --modules ID,ID   accept these QKD module IDs only
  --count N         stop once N different keys are there
  --json            print JSON, one object a line
  --help            print this

Exit codes: 0, 64 wrong command line, 66 a file cannot be used, 69 it cannot
listen, 74 the output cannot be written.
`;

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface CliOptions {
  readonly host: string;
  readonly port: number;
  readonly security: TlsFiles | "plain";
  readonly binding: "tcp" | "https";
  /** Request mode: ms between requests, and what is asked for. */
  readonly requestEvery?: number;
  readonly asked: Readonly<Record<string, number>>;
  readonly modules?: readonly string[];
  readonly behaviours: readonly Behaviour[];
  readonly count?: number;
  readonly json: boolean;
}

/** The command line can't be followed; the message says why, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string" },
        host: { type: "string" },
        cert: { type: "string" },
        key: { type: "string" },
        ca: { type: "string" },
        plain: { type: "boolean", default: false },
        https: { type: "boolean", default: false },
        "request-every": { type: "string" },
        number: { type: "string" },
        size: { type: "string" },
        misbehave: { type: "string", multiple: true },
        modules: { type: "string" },
        count: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    // Node appends advice on `--` to some of its messages.
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

function integer(name: string, value: string, min: number, max: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${name} must be an integer, ${min} to ${max}`);
}

type Values = ReturnType<typeof parse>;

function security({ plain, cert, key, ca }: Values): CliOptions["security"] {
  if (plain) {
    if ((cert ?? key ?? ca) !== undefined) {
      throw new UsageError("--plain goes without --cert, --key and --ca");
    }
    return "plain";
  }
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new UsageError("--cert, --key and --ca are all needed, or --plain");
  }
  return { cert, key, ca };
}

function misbehaviour(text: string): Behaviour {
  const [name = "", times = "1"] = text.split("=");
  const make = misbehaviours[name];
  if (make === undefined) throw new UsageError(`--misbehave: there is no ${name}`);
  return make(integer("misbehave", times, 1, 1_000_000));
}

function moduleIds(list: string): string[] {
  const ids = list.split(",").map((id) => id.trim());
  if (ids.includes("")) throw new UsageError("--modules must be QKD module IDs between commas");
  return ids;
}

/**
 * @param args without the program's own name
 * @throws UsageError
 */
export function readOptions(args: readonly string[]): CliOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const { host = "127.0.0.1", port, modules, count, json } = values;
  if (port === undefined) throw new UsageError("--port is needed");
  const every = values["request-every"];
  if (values.https && (values.plain || every !== undefined)) {
    throw new UsageError("--https goes without --plain and --request-every");
  }
  const asked: Record<string, number> = {};
  if (values.number !== undefined) asked.number = integer("number", values.number, 1, 1_000_000);
  if (values.size !== undefined) asked.size = integer("size", values.size, 8, 1_048_576);
  return {
    binding: values.https ? "https" : "tcp",
    asked,
    behaviours: (values.misbehave ?? []).map(misbehaviour),
    ...(every === undefined ? {} : { requestEvery: integer("request-every", every, 1, 3_600_000) }),
    host,
    port: integer("port", port, 0, 65_535),
    security: security(values),
    ...(modules === undefined ? {} : { modules: moduleIds(modules) }),
    ...(count === undefined ? {} : { count: integer("count", count, 1, 1_000_000) }),
    json,
  };
}
