/** `qkd-node check-config`, and `qkd-node config check`. */

import { exit } from "../../base/exit-codes.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { UsageError } from "../../host/terminal/program.ts";
import type { Config } from "../config/load.ts";
import type { Context } from "./context.ts";

/** @throws ConfigError with all that is wrong with it, unless that is printed as JSON */
export async function check(file: string, context: Context): Promise<number> {
  const readers = await context.readers();
  let config: Config;
  try {
    config = readers.check(file);
  } catch (error) {
    if (!context.json || !(error instanceof ConfigError)) throw error;
    context.print({ file, good: false, problems: error.located }, () => []);
    return exit.config;
  }
  const { node, modules } = config;
  const ways = modules.map(({ name, kms }) => `${name} → ${kms.map((km) => km.name).join(", ")}`);
  const data = { file, good: true, node: node.id, problems: [] };
  context.print(data, () => [`${file}: good (node ${node.id}; ${ways.join(", ")})`]);
  return exit.ok;
}

export async function run(context: Context): Promise<number> {
  const file = context.positionals[0] ?? context.text("config");
  if (file === undefined) throw new UsageError("check-config FILE");
  return check(file, context);
}
