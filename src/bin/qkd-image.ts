/** `qkd-image`: what root's helpers in an image leave to a program: whom to believe. */
import { mkdirSync, readFileSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { describe, errorCode } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { openTerminal } from "../host/terminal/terminal.ts";
import { longestJws } from "../ops/commands/jws.ts";
import { judgeSite } from "../ops/site/decide.ts";
import { writeNew } from "../ops/site/durable.ts";
import { readFolder, SiteError } from "../ops/site/folder.ts";
import {
  currentSite,
  isBlank,
  keepSite,
  revertSite,
  revertUntried,
  type SiteHome,
  stageSite,
  switchSite,
} from "../ops/site/home.ts";
import { readKeys } from "../ops/site/manifest.ts";
import { openPorts } from "../ops/site/ports.ts";
import { checkSeal } from "../ops/site/seal.ts";
import { takeAllowance } from "../ops/update/take-allowance.ts";

const usage = `qkd-image COMMAND: for the helpers of an image, and for tests

  collect --from DIR --to DIR
          copies a configuration from a stick, whatever is on it
  stage --in DIR --key FILE [--km-key FILE] [--controller-key FILE]
        [--image-keys FILE] [--turned]
          checks a configuration, and lays it beside the one in force; the keys
          are those of node, key manager and controller
  switch --name NAME
          puts one in force that was laid down, on trial
  keep    ends the trial: it stays
  revert [--untried] [--why TEXT]
          goes back to the one before; --untried: only from one on trial.
          The node tells of the one that it went back from, and why
  ports   those that the configuration in force opens to other machines
  allowance --config FILE --used FILE --sha256 HEX
          a manager's signed command on stdin: may an older version go in?

stage, switch, keep, revert, ports: --home DIR --network DIR --gid N
  --help
Exit codes: 0 yes, 1 no and why, 64 wrong command line, 70 internal error, 74
the output cannot be written.
`;

const text = { type: "string" } as const;
const options = {
  from: text,
  to: text,
  in: text,
  key: text,
  "km-key": text,
  "controller-key": text,
  "image-keys": text,
  turned: { type: "boolean", default: false },
  name: text,
  untried: { type: "boolean", default: false },
  // What is so if the machine starts with one on trial.
  why: { ...text, default: "the machine stopped while it was on trial" },
  home: { ...text, default: "/etc/qkd-node" },
  network: { ...text, default: "/etc/systemd/network" },
  gid: text,
  config: text,
  used: text,
  sha256: text,
  help: { type: "boolean", short: "h", default: false },
} as const;

class UsageError extends Error {}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

type Values = ReturnType<typeof parse>["values"];

function named(
  values: Values,
  name: "from" | "to" | "in" | "key" | "name" | "config" | "used" | "sha256",
): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

function whereOf({ home, network, gid }: Values): SiteHome {
  if (gid !== undefined && !/^\d{1,9}$/.test(gid)) throw new UsageError("--gid: expected a number");
  return { home, network, gid: gid === undefined ? undefined : Number(gid) };
}

/** Copies what a configuration may have from a stick. @throws SiteError, system errors */
function collect(values: Values): void {
  const to = named(values, "to");
  for (const [name, content] of readFolder(named(values, "from"))) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeNew(join(to, name), content, { mode: 0o640 });
  }
}

/** @returns why it is refused @throws SiteError, system errors */
function stage(values: Values): string | undefined {
  const where = whereOf(values);
  const { home } = where;
  const imageKeys = readKeys(textOf(values["image-keys"]) ?? "");
  if (imageKeys === undefined) return "the image's keys cannot be read";
  const key = readFileSync(named(values, "key"));
  const others = {
    km: bytesOf(values["km-key"]),
    controller: bytesOf(values["controller-key"]),
  };
  try {
    // Once: what is checked is what is laid down.
    const files = readFolder(named(values, "in"));
    const current = currentSite(where);
    // Keys on the data partition are believed as long as its seal holds.
    const broken = current && checkSeal(home, key, "node");
    const record = judgeSite(files, {
      node: readFileSync(join(home, "id"), "utf8").trim(),
      imageKeys,
      blank: isBlank(where),
      current: current && (broken === undefined ? current : { ...current, keys: undefined }),
      turned: values.turned,
    });
    if (typeof record === "string") {
      return broken === undefined ? record : `${record}; of the one that is here: ${broken}`;
    }
    process.stdout.write(`${stageSite(where, files, record, { node: key, ...others })}\n`);
    return undefined;
  } finally {
    for (const one of [key, ...Object.values(others)]) one?.fill(0);
  }
}

/** @returns why not @throws system errors */
function revert(values: Values): string | undefined {
  const where = whereOf(values);
  const { untried, why } = values;
  if (!untried) return revertSite(where, why) ? undefined : "there is none to go back to";
  if (revertUntried(where, why)) {
    const again = isBlank(where)
      ? "the machine has none again"
      : "the one before is in force again";
    process.stdout.write(`the site's configuration was on trial and not kept: ${again}\n`);
  }
  return undefined;
}

/** @returns why it is none @throws system errors */
function allowance(values: Values): string | undefined {
  const files = { config: named(values, "config"), used: named(values, "used") };
  const taken = takeAllowance(readInput(), files, named(values, "sha256"), Date.now());
  if (typeof taken === "string") return taken;
  process.stdout.write(`allowed by ${taken.keyId}\n`);
  return undefined;
}

/** What is on stdin, up to a little more than the longest signed command. */
function readInput(): Buffer {
  const buffer = Buffer.alloc(longestJws + 2);
  for (let length = 0; ; ) {
    const read =
      length < buffer.length ? readSync(0, buffer, length, buffer.length - length, null) : 0;
    length += read;
    if (read === 0) return Buffer.from(buffer.toString("latin1", 0, length).replace(/\n$/, ""));
  }
}

/** @returns undefined if there is no such file @throws system errors */
function textOf(file: string | undefined): string | undefined {
  return bytesOf(file)?.toString("utf8");
}

/** @returns undefined if there is no such file @throws system errors */
function bytesOf(file: string | undefined): Buffer | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @returns why not; undefined: yes */
function carryOut(command: string | undefined, values: Values): string | undefined {
  switch (command) {
    case "collect":
      collect(values);
      return undefined;
    case "stage":
      return stage(values);
    case "switch":
      switchSite(whereOf(values), named(values, "name"));
      return undefined;
    case "keep":
      keepSite(whereOf(values));
      return undefined;
    case "revert":
      return revert(values);
    case "ports":
      process.stdout.write(`${openPorts(readFolder(join(values.home, "site"))).join(", ")}\n`);
      return undefined;
    case "allowance":
      return allowance(values);
    default:
      throw new UsageError("no such command");
  }
}

function main(args: string[]): number {
  try {
    const { values, positionals } = parse(args);
    if (values.help) {
      openTerminal(process.stdout, process.stderr, process.env, "qkd-image").pass(usage.trimEnd());
      return exit.ok;
    }
    const why = carryOut(positionals.length === 1 ? positionals[0] : undefined, values);
    if (why === undefined) return exit.ok;
    process.stdout.write(`${why}\n`);
    return exit.failed;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`qkd-image: ${error.message}\n\n${usage}`);
      return exit.usage;
    }
    const known = error instanceof SiteError || errorCode(error) !== undefined;
    process.stdout.write(`${error instanceof SiteError ? error.message : describe(error)}\n`);
    return known ? exit.failed : exit.software;
  }
}

process.exitCode = main(process.argv.slice(2));
