/**
 * `qkd-node release`, `discard`, `withhold`, `free-km`, `accept-km` and `accept-module`: what becomes of
 * keys that are kept back, and who a KM or module is.
 */
import { counted } from "../../base/words.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import type { Acted } from "../../ops/cli/shapes.ts";
import { tellActed } from "./acted.ts";
import { findCommand } from "./commands.ts";
import { among, type Context } from "./context.ts";
import { concernsMore, selectionOf } from "./selection.ts";

type Args = Record<string, string | boolean>;
type Name =
  | "release_quarantine"
  | "discard_quarantine"
  | "withhold"
  | "free_km"
  | "accept_km"
  | "accept_module";

/** How a command is typed, and what the words after it are in the request. */
const typed: Readonly<Record<Name, { readonly as: string; readonly words: readonly string[] }>> = {
  release_quarantine: { as: "release", words: ["module", "key_ID"] },
  discard_quarantine: { as: "discard", words: ["module", "key_ID"] },
  withhold: { as: "withhold", words: ["module", "key_ID"] },
  free_km: { as: "free-km", words: ["module", "km"] },
  accept_km: { as: "accept-km", words: ["km"] },
  accept_module: { as: "accept-module", words: ["module", "module_id"] },
};

async function decide(name: Name, context: Context): Promise<number> {
  const args = context.values.all === true ? await all(name, context) : named(name, context);
  const note = typeof args.km === "string" ? await aboutKm(args.km, context) : undefined;
  const told = await context.ask<Acted>(name, args);
  const blocks = told.facts?.blocks;
  const isVain = blocks === 0 && meansSome(args) && !concernsMore(args);
  const acted = isVain ? { ...told, status: "failed", reason: nothing } : told;
  const what = blocks === undefined ? context.positionals.at(-1) : counted(Number(blocks), "block");
  const code = tellActed(context, acted, tidy(String(what)));
  if (note !== undefined) context.terminal.complain(`qkd-node: ${note}`);
  return code;
}

const nothing = "nothing is kept back for that";

/** Some of all that is kept back, and not whatever there may be. */
function meansSome({ reason, epoch }: Args): boolean {
  return reason !== undefined || epoch !== undefined;
}

/** A KM that is not configured may be one that was taken out, or a slip: that is for a person to say. */
async function aboutKm(km: string, context: Context): Promise<string | undefined> {
  const { kms } = await context.names();
  return kms.includes(km) ? undefined : `no KM ${tidy(km)} is configured${among(km, kms)}`;
}

/** @throws UsageError */
function named(name: Name, { positionals, values }: Context): Args {
  const { words } = typed[name];
  if (values.reason !== undefined || values.epoch !== undefined) {
    throw new UsageError("--reason and --epoch go with --all");
  }
  if (positionals.length !== words.length) throw new UsageError(usageOf(name));
  return Object.fromEntries(words.map((word, i) => [word, positionals[i] as string]));
}

/** @throws UsageError */
async function all(name: Name, context: Context): Promise<Args> {
  const [module, more] = context.positionals;
  if (module === undefined || more !== undefined) throw new UsageError(usageOf(name));
  return { module, all: true, ...(await selectionOf(module, context)) };
}

/** The words that help has for it. */
function usageOf(name: Name): string {
  const { as } = typed[name];
  return `expected ${as} ${findCommand(as)?.args ?? ""}`;
}

/** Each command has a file of this form, by the way in which they are loaded. */
export function decision(name: Name) {
  return { run: (context: Context) => decide(name, context) };
}
