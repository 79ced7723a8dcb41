/** What the controller's commands have in common: the running one is asked, and its answer is shown. */
import { exit } from "../../base/exit-codes.ts";
import { openTerminal } from "../../host/terminal/terminal.ts";
import { ask } from "../../ops/cli/client.ts";
import { shown } from "../../ops/cli/shown.ts";
import { controllerSockets } from "../local/local.ts";
import { type ListPart, type StatusPart, type StatusSummary, summaryOf } from "../local/parts.ts";
import type { ControllerStatus } from "../model/status.ts";
import { statusText } from "./show.ts";

/** As messages name it when it is asked. */
export const who = { called: "the controller", command: "qkd-controller" } as const;
export const terminal = openTerminal(process.stdout, process.stderr, process.env, who.command);

/** What of a command line matters to who asks. */
interface Given {
  /** The configuration. */
  readonly file: string;
  readonly values: { readonly json?: boolean | undefined };
}

/** Control sockets of the configuration's controller. @throws ConfigError */
async function sockets({ file }: Given): Promise<readonly string[]> {
  return controllerSockets((await import("../config/load.ts")).readControllerConfig(file));
}

/** Asks the running controller. @throws CliError, ConfigError */
export async function asked<T>(
  given: Given,
  ...order: [Parameters<typeof ask>[1], object?]
): Promise<T> {
  const [name, args = {}] = order;
  return ask<T>(await sockets(given), name, args as Record<string, string>, undefined, who);
}

/** A command that shows a list of the status: in words, or the list itself for a program. */
export function showing(
  part: ListPart,
  text: (status: ControllerStatus) => string,
): (given: Given) => Promise<number> {
  return async (given) => {
    const status = await asked<StatusPart>(given, "status", { part });
    const more = status.omitted?.[part] ?? 0;
    if (given.values.json) {
      if (more > 0)
        terminal.complain(`${who.command}: ${more} more ${part} do not fit in an answer`);
      return pass(shown(status, who, (all) => all[part]));
    }
    // An older controller gives all; one of this version what is asked for.
    const list = shown(status as ControllerStatus, who, text);
    return print(more > 0 ? `${list}and ${more} more\n` : list);
  };
}

/** All there is, for a program; for people how much there is. */
export async function status(given: Given): Promise<number> {
  if (!given.values.json) {
    const answer = await asked<StatusSummary | ControllerStatus>(given, "status", {
      part: "summary",
    });
    return print(shown(answer, who, (all) => statusText("counts" in all ? all : summaryOf(all))));
  }
  const all = await asked<StatusPart>(given, "status");
  for (const [part, more] of Object.entries(all.omitted ?? {})) {
    terminal.complain(`${who.command}: ${more} more ${part} do not fit in an answer`);
  }
  return pass(all);
}

/** For a person. */
export function print(text: string): number {
  terminal.say(text.trimEnd());
  return exit.ok;
}

/** For a program. */
export function pass(value: unknown): number {
  terminal.pass(JSON.stringify(value));
  return exit.ok;
}
