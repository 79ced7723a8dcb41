/** `qkd-node config show|check|diff`. */

import { exit } from "../../base/exit-codes.ts";
import { tomlLines } from "../../host/config/toml.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { NotRunning } from "../../ops/cli/client.ts";
import { flatten, redactedTable } from "../config/redact.ts";
import type { Context } from "./context.ts";
import { configFile, readTable } from "./where.ts";

interface Shown {
  readonly file: string;
  readonly digest?: string;
  readonly running: boolean;
  readonly table: unknown;
}

export async function run(context: Context): Promise<number> {
  const [what] = context.positionals;
  if (what === "check") {
    const { check } = await import("./check-config.ts");
    return check(configFile(context.where), context);
  }
  if (what === "show") return show(context);
  if (what === "diff") return diff(context);
  throw new UsageError("config show|check|diff");
}

async function show(context: Context): Promise<number> {
  const shown = await running(context).catch(async (error: unknown) => {
    if (!(error instanceof NotRunning)) throw error;
    const file = configFile(context.where);
    return { file, running: false, table: redactedTable(await readTable(file)) };
  });
  const { paint } = context.terminal;
  const state = shown.running ? "what the node runs with" : "the file; the node does not run";
  const comments = [shown.file, `${state}; what is absent has its default`];
  context.print(shown, () => [
    ...comments.map((text) => paint.dim(tidy(`# ${text}`))),
    "",
    ...tomlLines(shown.table),
  ]);
  return exit.ok;
}

async function running(context: Context): Promise<Shown> {
  const answer = await context.ask<Omit<Shown, "running">>("config");
  return { ...answer, running: true };
}

async function diff(context: Context): Promise<number> {
  const now = await running(context);
  const file = context.where.config === undefined ? now.file : configFile(context.where);
  const before = flatten(now.table);
  const after = flatten(redactedTable(await readTable(file)));
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  const changes = keys
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => ({ key, running: before.get(key) ?? null, file: after.get(key) ?? null }));
  const { paint } = context.terminal;
  context.print({ file, same: changes.length === 0, changes }, () =>
    changes.length === 0
      ? [`${file} says what the node runs with`]
      : [
          `${file} differs from what the node runs with; a restart takes it:`,
          ...changes.flatMap(({ key, running: old, file: wanted }) => [
            ...(old === null ? [] : [paint.bad(tidy(`- ${key} = ${old}`))]),
            ...(wanted === null ? [] : [paint.good(tidy(`+ ${key} = ${wanted}`))]),
          ]),
        ],
  );
  return exit.ok;
}
