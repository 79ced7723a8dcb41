/** `qkd-node ledger check|repair`: for when the node says that a ledger is damaged. */
import { exit } from "../exit-codes.ts";
import { configure } from "../main.ts";
import { describe } from "../port/errors.ts";
import { ledgerCheck, ledgerRepair } from "../repair.ts";
import { type Context, UsageError } from "./context.ts";
import { configFile } from "./where.ts";

export async function run(context: Context): Promise<number> {
  const [action, module] = context.positionals;
  const config = configure(configFile(context.where));
  const { terminal } = context;
  if (module !== undefined && !config.modules.some(({ name }) => name === module)) {
    throw new UsageError(`no module ${module} is configured`);
  }
  const say = (line: string) => terminal.say(line);
  try {
    if (action === "check") return await ledgerCheck(config, module, say);
    if (action === "repair" && module !== undefined) {
      return await ledgerRepair(config, module, context.values.trust === true, say);
    }
  } catch (error) {
    terminal.complain(`qkd-node: ${describe(error)}`);
    return exit.io;
  }
  throw new UsageError("ledger check [MODULE], or ledger repair MODULE");
}
