/** `qkd-node state check|reset`: for when the node says that its small state is damaged. */
import { exit } from "../exit-codes.ts";
import { configure } from "../main.ts";
import { describe } from "../port/errors.ts";
import { stateCheck, stateReset } from "../repair.ts";
import { type Context, UsageError } from "./context.ts";
import { configFile } from "./where.ts";

export async function run(context: Context): Promise<number> {
  const [action] = context.positionals;
  const config = configure(configFile(context.where));
  const { terminal } = context;
  const say = (line: string) => terminal.say(line);
  try {
    if (action === "check") return await stateCheck(config, say);
    if (action === "reset" && context.text("boot") !== undefined) {
      return await stateReset(config, context.number("boot", 0, 0, 999_999_999_999), say);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    terminal.complain(`qkd-node: ${describe(error)}`);
    return exit.io;
  }
  throw new UsageError("state check, or state reset --boot N");
}
