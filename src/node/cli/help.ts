/** Help, made from the table of commands. Pure. */

import { facts, wrap } from "../../host/terminal/table.ts";
import { type CommandInfo, commands, type OptionInfo, optionsOf } from "./commands.ts";

const width = 80;

const exitCodes =
  "Exit codes: 0 ok, 1 a check or an action failed, 64 wrong command line, 69 nobody answers, " +
  "70 internal error, 73 a file cannot be made, 74 a file cannot be used, or the output not be " +
  "written, 75 not now, 76 another " +
  "version, 77 not permitted, 78 the configuration cannot be used.";

export function generalHelp(version: string): string {
  const rows = commands.map(({ name, args, summary }) => {
    return [`${name}${args === "" ? "" : ` ${args}`}`, summary] as const;
  });
  return [
    `qkd-node ${version}: QKD node controller`,
    "",
    "Usage: qkd-node COMMAND [options]",
    "",
    ...facts(rows, width, 2),
    "",
    ...wrap(
      "Without --socket or --config it is the node of this machine. --json prints JSON; " +
        "qkd-node COMMAND --help tells more, with examples; --version prints the version.",
      width,
    ),
    "",
    ...wrap(exitCodes, width),
    "",
    "Example:",
    "  qkd-node check-config node.toml && qkd-node run --config node.toml",
    "",
  ].join("\n");
}

export function optionText({ name, value }: OptionInfo): string {
  const dashes = name.length === 1 ? "-" : "--";
  return `${dashes}${name}${value === undefined ? "" : ` ${value}`}`;
}

export function commandHelp(command: CommandInfo): string {
  const { name, args, summary, about, examples } = command;
  const options = optionsOf(command).map((one) => [optionText(one), one.about] as const);
  return [
    `Usage: qkd-node ${name}${args === "" ? "" : ` ${args}`} [options]`,
    "",
    ...wrap(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`, width),
    ...(about === undefined ? [] : wrap(about, width)),
    "",
    ...facts(options, width, 2),
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}
