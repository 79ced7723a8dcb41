/**
 * `qkd-node release`, `discard`, `withhold`, `free-km`, `accept-km` and `accept-module`: what becomes of
 * keys that are kept back, and who a KM or module is.
 */
import { counted } from "../../base/words.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import type { Acted } from "../../ops/cli/shapes.ts";
import { tellActed } from "./acted.ts";
import { among, type Context } from "./context.ts";

type Args = Record<string, string | boolean>;
type Name =
  | "release_quarantine"
  | "discard_quarantine"
  | "withhold"
  | "free_km"
  | "accept_km"
  | "accept_module";

/** What the words after a command are, in the request. */
const words: Readonly<Record<Name, readonly string[]>> = {
  release_quarantine: ["module", "key_ID"],
  discard_quarantine: ["module", "key_ID"],
  withhold: ["module", "key_ID"],
  free_km: ["module", "km"],
  accept_km: ["km"],
  accept_module: ["module", "module_id"],
};

async function decide(name: Name, context: Context): Promise<number> {
  const args = context.values.all === true ? all(context) : named(name, context);
  const note = typeof args.km === "string" ? await aboutKm(args.km, context) : undefined;
  const acted = await context.ask<Acted>(name, args);
  const blocks = acted.facts?.blocks;
  const what = blocks === undefined ? context.positionals.at(-1) : counted(Number(blocks), "block");
  const code = tellActed(context, acted, tidy(String(what)));
  if (note !== undefined) context.terminal.complain(`qkd-node: ${note}`);
  return code;
}

/** A KM that is not configured may be one that was taken out, or a slip: that is for a person to say. */
async function aboutKm(km: string, context: Context): Promise<string | undefined> {
  const { kms } = await context.names();
  return kms.includes(km) ? undefined : `no KM ${tidy(km)} is configured${among(km, kms)}`;
}

/** @throws UsageError */
function named(name: Name, { positionals, values }: Context): Args {
  const expected = words[name];
  if (values.reason !== undefined || values.epoch !== undefined) {
    throw new UsageError("--reason and --epoch go with --all");
  }
  if (positionals.length !== expected.length) {
    throw new UsageError(`expected ${expected.map((one) => one.toUpperCase()).join(" ")}`);
  }
  return Object.fromEntries(expected.map((word, i) => [word, positionals[i] as string]));
}

/** @throws UsageError */
function all(context: Context): Args {
  const [module, more] = context.positionals;
  if (module === undefined || more !== undefined) throw new UsageError("expected MODULE --all");
  const [reason, epoch] = [context.text("reason"), context.text("epoch")];
  return {
    module,
    all: true,
    ...(reason !== undefined && { reason }),
    ...(epoch !== undefined && { epoch }),
  };
}

/** Each command has a file of this form, by the way in which they are loaded. */
export function decision(name: Name) {
  return { run: (context: Context) => decide(name, context) };
}
