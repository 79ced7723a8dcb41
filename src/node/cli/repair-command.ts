/** `qkd-node ledger …` and `qkd-node state …`: for when the node says that its files are damaged. */

import { describe } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { CliError } from "../../ops/cli/client.ts";
import { among, type Context } from "./context.ts";
import {
  ledgerAdopt,
  ledgerCheck,
  ledgerRepair,
  ledgerRetire,
  stateCheck,
  stateReset,
} from "./repair.ts";
import { configFile } from "./where.ts";

/** Words after each action: how many at least and at most. */
const actions = {
  ledger: { check: [0, 1], repair: [1, 1], adopt: [2, 2], retire: [1, 1] },
  state: { check: [0, 0], reset: [0, 0] },
} as const;

const usage = {
  ledger: "ledger check [MODULE], ledger repair MODULE, ledger adopt OLD NEW, ledger retire OLD",
  state: "state check, state reset --boot N",
} as const;

async function mend(what: keyof typeof usage, context: Context): Promise<number> {
  const [action = "", ...words] = context.positionals;
  const [least, most] = (actions[what] as Record<string, readonly [number, number]>)[action] ?? [];
  const boot = context.number("boot", -1, 0, 2 ** 31);
  const wrong = least === undefined || words.length < least || words.length > (most ?? 0);
  if (wrong || (action === "reset" && boot < 0)) throw new UsageError(usage[what]);
  // Keys given by systemd are there only while the node runs, and no key is needed here.
  const config = (await context.readers()).readConfig(configFile(context.where));
  const [first, second = ""] = words;
  const named = action === "check" || action === "repair" ? first : undefined;
  const known = config.modules.map(({ name }) => name);
  if (named !== undefined && !known.includes(named)) {
    throw new UsageError(`no module ${named} is configured${among(named, known)}`);
  }
  const say = (line: string) => context.terminal.say(line);
  const trust = context.values.trust === true;
  try {
    if (action === "reset") return await stateReset(config, boot, say);
    if (action === "repair") return await ledgerRepair(config, first as string, trust, say);
    if (action === "adopt") return await ledgerAdopt(config, first as string, second, say);
    if (action === "retire") return await ledgerRetire(config, first as string, trust, say);
    return what === "state" ? await stateCheck(config, say) : await ledgerCheck(config, named, say);
  } catch (error) {
    throw new CliError(describe(error), exit.io);
  }
}

export function repairCommand(what: keyof typeof usage) {
  return { run: (context: Context) => mend(what, context) };
}
