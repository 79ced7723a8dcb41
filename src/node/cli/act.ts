/** `qkd-node start`, `stop`, `self-test` and `zeroize`: commands for a module. */

import { UsageError } from "../../host/terminal/program.ts";
import { elapsing, progress } from "../../host/terminal/progress.ts";
import { type Terminal, tidy } from "../../host/terminal/terminal.ts";
import type { Acted, Status } from "../../ops/cli/shapes.ts";
import { tellActed } from "./acted.ts";
import { confirm } from "./confirm.ts";
import { among, type Context } from "./context.ts";

type Name = "start" | "stop" | "self_test" | "zeroize";

/** A node gives a command up after this, ms. */
const limit = 30_000;

export async function act(name: Name, context: Context): Promise<number> {
  const { node, modules } = await context.ask<Status>("status");
  const module = chosen(name, modules, context.positionals[0]);
  const confirmed = name === "zeroize" ? await confirm("zeroize", node, context, warn(module)) : {};
  const bar = progress(process.stderr, process.env, !context.json);
  const said = name.replace("_", "-");
  const work = context.ask<Acted>(name, { module, ...confirmed });
  const acted = await elapsing(bar, `${said} ${tidy(module)}`, limit, work);
  return tellActed(context, acted, `${said} ${tidy(module)}`);
}

/** @throws UsageError where it has to be said which */
function chosen(name: Name, modules: Status["modules"], named: string | undefined): string {
  const names = modules.map((module) => module.name);
  const [only, ...others] = names;
  if (named !== undefined) {
    if (names.includes(named)) return named;
    throw new UsageError(`no such module${among(named, names)}`);
  }
  if (only === undefined || others.length > 0) {
    throw new UsageError(`${name.replace("_", "-")} MODULE (there are: ${names.join(", ")})`);
  }
  return only;
}

const warn =
  (module: string) =>
  ({ paint }: Terminal, node: string) => ({
    lines: [
      `${paint.bad("This destroys all key in the module")} ${paint.bold(module)} of ${paint.bold(node)}. It cannot be undone.`,
    ],
    questions: [
      ["Type the node's ID to go on: ", node],
      ["Once more, type zeroize to do it: ", "zeroize"],
    ] as const,
  });

/** Each command has a file of this form, by the way in which they are loaded. */
export function actor(name: Name) {
  return { run: (context: Context) => act(name, context) };
}
