/** `qkd-node schema`: the JSON Schema of what a command prints with `--json`. */
import { exit } from "../../base/exit-codes.ts";
import { didYouMean } from "../../base/words.ts";
import { UsageError } from "../../host/terminal/program.ts";
import type { Context } from "./context.ts";
import { schemas } from "./schema.ts";

export async function run({ positionals, terminal }: Context): Promise<number> {
  const [name] = positionals;
  if (name !== undefined && !Object.hasOwn(schemas, name)) {
    const known = Object.keys(schemas);
    throw new UsageError(`schema: no command of this name prints JSON${didYouMean(name, known)}`);
  }
  const schema = name === undefined ? schemas : schemas[name];
  const $schema = "https://json-schema.org/draft/2020-12/schema";
  terminal.pass(JSON.stringify(name === undefined ? schema : { $schema, ...schema }, null, 2));
  return exit.ok;
}
