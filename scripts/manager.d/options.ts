/** The command line of `scripts/manager`. */
import { parseArgs } from "node:util";

export const usage = `Usage: scripts/manager watch|alarms [WHOSE] [options of the broker]
       scripts/manager keygen FILE [--id ID]
       scripts/manager send WHOSE COMMAND [NAME=VALUE ...] --key FILE --id ID
                       [options]
WHOSE: --node NODE, --km KM or --controller ID; with send also NODE alone

A manager for the command line. \`watch\` prints what nodes, key managers and
controllers tell until it is stopped, \`alarms\` what is raised now, \`keygen\`
makes a key pair and prints what the configuration needs, \`send\` signs a
command, sends it, and waits for its result.

  --url URL         broker (default mqtt://127.0.0.1:1883)
  --base LEVELS     first levels of the topics (default qkdn/v1)
  --protocol 5|4    MQTT 5 or 3.1.1 (default 5)
  --username NAME, --password-file FILE, --ca FILE, --cert FILE, --tls-key FILE
  --node NODE       this node only
  --km KM           this key manager only (qkd-km)
  --controller ID   this controller only (qkd-controller)
  --key FILE        private key to sign with, as keygen made it
  --id ID           its id in the configuration (keygen: default manager)
  --boot N          the boot counter meant; zeroize, clear_tamper,
                    install_update, compromise with delete=true
  --life SECONDS    how long the command may be carried out (default 60)
  --wait SECONDS    how long to wait for an answer (default 35; alarms: 1)
  --json            print JSON, one object a line
  --help            print this

Exit codes: 0 ok, 1 it was not done, 64 wrong command line, 66 a file cannot be
used, 69 no broker or no answer, 74 the output cannot be written.

Example:
  scripts/manager send node-a acknowledge_alarm alarm=qber_high.alice \\
    --key noc.pem --id noc
  scripts/manager send --km km-a compromise link=bob \\
    from=2026-01-31T12:00:00Z --key noc.pem --id noc
  scripts/manager send --controller c-1 set_service component=km-a--km-b \\
    service=out_of_service --key noc.pem --id noc
`;

/** The command line can't be followed; the message says why, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface BrokerOptions {
  readonly url: string;
  readonly base: string;
  readonly protocol: 4 | 5;
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly tlsKey: string | undefined;
}

/** A node, a key manager or a controller. */
export interface Subject {
  readonly is: "node" | "km" | "controller";
  readonly id: string;
}

export type Task =
  | { readonly kind: "watch"; readonly of: Subject | undefined }
  | { readonly kind: "alarms"; readonly of: Subject | undefined; readonly waitMs: number }
  | { readonly kind: "keygen"; readonly file: string; readonly id: string }
  | {
      readonly kind: "send";
      readonly to: Subject;
      readonly command: string;
      readonly args: Readonly<Record<string, string>>;
      readonly keyFile: string;
      readonly id: string;
      readonly boot: number | undefined;
      readonly lifeMs: number;
      readonly waitMs: number;
    };

export interface Options {
  readonly task: Task;
  readonly broker: BrokerOptions;
  readonly json: boolean;
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: text,
        base: text,
        protocol: text,
        username: text,
        "password-file": text,
        ca: text,
        cert: text,
        "tls-key": text,
        node: text,
        km: text,
        controller: text,
        key: text,
        id: text,
        boot: text,
        life: text,
        wait: text,
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // Node appends advice on `--` to some of its messages.
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

type Values = ReturnType<typeof parse>["values"];

/** A day. Above 24.8 of them a timer of Node.js goes off at once. */
const mostWaitSeconds = 86_400;

function number(name: "boot" | "life" | "wait", values: Values): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const most = name === "wait" ? mostWaitSeconds : 999_999_999;
  if (/^\d{1,9}$/.test(value) && Number(value) <= most) return Number(value);
  throw new UsageError(`--${name} must be a whole number, ${most} at most`);
}

/** `NAME=VALUE` */
function argument(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError("arguments of a command are NAME=VALUE");
  return [text.slice(0, at), text.slice(at + 1)];
}

function subjectOf(values: Values): Subject | undefined {
  const named = (["node", "km", "controller"] as const).flatMap((is) => {
    const id = values[is];
    return id === undefined ? [] : [{ is, id }];
  });
  if (named.length > 1) throw new UsageError("one of --node, --km and --controller, no more");
  return named[0];
}

function taskOf(positionals: readonly string[], values: Values): Task {
  const [kind, ...rest] = positionals;
  const wait = number("wait", values);
  switch (kind) {
    case "watch":
    case "alarms":
      if (rest.length > 0) throw new UsageError(`${kind} takes options only`);
      return { kind, of: subjectOf(values), waitMs: (wait ?? 1) * 1_000 };
    case "keygen": {
      const [file] = rest;
      if (file === undefined || rest.length > 1) throw new UsageError("keygen FILE");
      return { kind, file, id: values.id ?? "manager" };
    }
    case "send": {
      const { is = "node", id = rest.shift() } = subjectOf(values) ?? {};
      const [command, ...named] = rest;
      if (id === undefined || command === undefined) throw new UsageError("send NODE COMMAND");
      if (values.key === undefined || values.id === undefined) {
        throw new UsageError("send needs --key and --id");
      }
      return {
        kind,
        to: { is, id },
        command,
        args: Object.fromEntries(named.map(argument)),
        keyFile: values.key,
        id: values.id,
        boot: number("boot", values),
        lifeMs: (number("life", values) ?? 60) * 1_000,
        waitMs: (wait ?? 35) * 1_000,
      };
    }
    case undefined:
      throw new UsageError("a command is needed");
    default:
      throw new UsageError("no such command");
  }
}

/**
 * @param args without the program's own name
 * @throws UsageError
 */
export function readOptions(args: readonly string[]): Options | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const { url = "mqtt://127.0.0.1:1883", base = "qkdn/v1", protocol = "5" } = values;
  if (!/^mqtts?:\/\/[^/@\s]+$/.test(url))
    throw new UsageError("--url must be mqtt[s]://HOST[:PORT]");
  if (protocol !== "5" && protocol !== "4") throw new UsageError("--protocol must be 5 or 4");
  const broker = {
    url,
    base,
    protocol: protocol === "5" ? 5 : 4,
    username: values.username,
    passwordFile: values["password-file"],
    ca: values.ca,
    cert: values.cert,
    tlsKey: values["tls-key"],
  } as const;
  return { task: taskOf(positionals, values), broker, json: values.json };
}
