/** `qkd-node release`, `discard`, `withhold` and `free-km`: what becomes of keys that are kept back. */
import { tellActed } from "./acted.ts";
import { type Context, UsageError } from "./context.ts";
import type { Acted } from "./shapes.ts";
import { tidy } from "./terminal.ts";

type Name = "release_quarantine" | "discard_quarantine" | "withhold" | "free_km";

async function decide(name: Name, context: Context): Promise<number> {
  const [module, what] = context.positionals;
  if (module === undefined || what === undefined) throw new UsageError("two words are needed");
  const args = name === "free_km" ? { module, km: what } : { module, key_ID: what };
  const acted = await context.ask<Acted>(name, args);
  return tellActed(context, acted, tidy(what));
}

/** Each command has a file of this form, by the way in which they are loaded. */
export function decision(name: Name) {
  return { run: (context: Context) => decide(name, context) };
}
