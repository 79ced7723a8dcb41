/** The commands that ask a running key manager what became of its keys, and have keys given up. */
import { createInterface } from "node:readline/promises";
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { ask, CliError, type Who } from "../../ops/cli/client.ts";
import { shown } from "../../ops/cli/shown.ts";
import { parseSince } from "../../ops/cli/since.ts";
import { parseUuid } from "../records/kma-key-id.ts";
import type { Affected, GivenUp, KeyList, KeyStory } from "../records/tellings.ts";
import { affectedText, givenUpText, listText, storyText } from "./records.ts";

/** Options as they were typed. */
export interface RecordOptions {
  readonly json?: boolean;
  readonly module?: string;
  readonly link?: string;
  readonly from?: string;
  readonly to?: string;
  readonly delete?: boolean;
  readonly yes?: string;
}

interface Asked {
  /** Control sockets, the likeliest first; and as messages name who is asked. */
  readonly sockets: readonly string[];
  readonly who: Who;
  /** ID of the key manager that the configuration is of. */
  readonly km: string;
  readonly options: RecordOptions;
  /** ms since 1970 UTC. */
  readonly now: number;
}

function wrong(message: string): CliError {
  return new CliError(message, exit.usage);
}

function told<T>(data: T, { who, options }: Asked, text: (data: T) => string): string {
  return options.json ? `${JSON.stringify(data)}\n` : shown(data, who, text);
}

/** @throws CliError */
function periodOf(
  { from, to }: RecordOptions,
  now: number,
): { readonly from: number; readonly to?: number } {
  if (from === undefined) throw wrong("--from TIME is needed, such as 2h or 2026-01-31T12:00Z");
  const time = (name: string, text: string) => {
    const at = parseSince(text, now);
    if (at === undefined)
      throw wrong(`--${name}: expected a time, such as 2h or 2026-01-31T12:00Z`);
    return at;
  };
  const begins = time("from", from);
  const ends = to === undefined ? {} : { to: time("to", to) };
  if (begins > (ends.to ?? now)) throw wrong("--from is later than --to");
  return { from: begins, ...ends };
}

/** `key show ID`. @throws CliError */
export async function showKey(id: string, asked: Asked): Promise<string> {
  const { sockets, who } = asked;
  if (parseUuid(id) === undefined) throw wrong("expected an ID: 32 hexadecimal digits");
  return told(await ask<KeyStory>(sockets, "keys", { id }, undefined, who), asked, storyText);
}

/** `keys --module M --from T --to T`. @throws CliError */
export async function listKeys(module: string, asked: Asked): Promise<string> {
  const { sockets, who, options, now } = asked;
  const period = periodOf(options, now);
  const list = await ask<KeyList>(sockets, "keys", { module, ...period }, undefined, who);
  return told(list, asked, listText);
}

/**
 * `compromise --link L --from T --to T [--delete]`: what could be affected, and with `--delete` it is given up.
 * @throws CliError
 */
export async function compromise(asked: Asked): Promise<string> {
  const { sockets, who, km, options, now } = asked;
  const { link } = options;
  if (link === undefined) throw wrong("--link LINK is needed");
  const period = periodOf(options, now);
  const args = { link, ...period };
  if (options.yes !== undefined && !options.delete) throw wrong("--yes goes with --delete");
  if (!options.delete) {
    return told(await ask<Affected>(sockets, "keys", args, undefined, who), asked, affectedText);
  }
  await confirm(asked, args);
  const done = await ask<GivenUp>(sockets, "compromise", { ...args, confirm: km }, undefined, who);
  return told(done, asked, givenUpText);
}

/** @throws CliError without a terminal to ask on, or if another key manager is meant */
async function confirm(
  { sockets, who, km, options }: Asked,
  args: { readonly link: string; readonly from: number; readonly to?: number },
): Promise<void> {
  if (options.yes !== undefined) {
    if (options.yes === km) return;
    throw wrong(`--yes names another key manager: this is ${km}`);
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw wrong(`compromise --delete asks on a terminal; in a script: --yes ${km}`);
  }
  const affected = await ask<Affected>(sockets, "keys", args, undefined, who);
  const { waiting_keys, left_over_keys = 0 } = affected;
  const waiting = counted(waiting_keys + left_over_keys, "waiting QKD-key");
  process.stdout.write(
    `${shown(affected, who, affectedText)}\nWhat is still free of these extents, and ${waiting}, will be void at both ends,\nand so what was relayed under them.\nThis cannot be undone.\n`,
  );
  const input = createInterface({ input: process.stdin, output: process.stdout });
  const gone = new Promise<string>((resolve) => input.once("close", () => resolve("")));
  try {
    const typed = await Promise.race([input.question("Type the KM's ID to go on: "), gone]);
    if (typed.trim() !== km) throw new CliError("nothing was done", exit.failed);
  } finally {
    input.close();
  }
}
