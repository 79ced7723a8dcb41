/** `qkd-node ledger …` and `qkd-node state …`: for when the node says that its files are damaged. */
import { exit } from "../exit-codes.ts";
import { readConfig } from "../main-config.ts";
import { describe } from "../port/errors.ts";
import { ledgerCheck, ledgerRepair, stateCheck, stateReset } from "../repair.ts";
import { Complaint } from "./client.ts";
import { type Context, UsageError } from "./context.ts";
import { configFile } from "./where.ts";

const usage = {
  ledger: "ledger check [MODULE], ledger repair MODULE",
  state: "state check, state reset --boot N",
} as const;

async function mend(what: keyof typeof usage, context: Context): Promise<number> {
  const [action, module] = context.positionals;
  const wrong = new UsageError(usage[what]);
  const actions = what === "ledger" ? ["check", "repair"] : ["check", "reset"];
  if (action === undefined || !actions.includes(action)) throw wrong;
  const trust = context.values.trust === true;
  const boot = context.number("boot", -1, 0, 2 ** 31);
  if ((action === "repair" && module === undefined) || (action === "reset" && boot < 0))
    throw wrong;
  // Keys given by systemd are there only while the node runs, and no key is needed here.
  const config = readConfig(configFile(context.where));
  if (module !== undefined && !config.modules.some(({ name }) => name === module)) {
    throw new UsageError(`no module ${module} is configured`);
  }
  const say = (line: string) => context.terminal.say(line);
  try {
    if (what === "state") {
      return action === "check"
        ? await stateCheck(config, say)
        : await stateReset(config, boot, say);
    }
    return action === "check"
      ? await ledgerCheck(config, module, say)
      : await ledgerRepair(config, module as string, trust, say);
  } catch (error) {
    throw new Complaint(describe(error), exit.io);
  }
}

export function mender(what: keyof typeof usage) {
  return { run: (context: Context) => mend(what, context) };
}
