/** `qkd-km COMMAND`: finds the command, checks its options, says what is wrong with them. */
import { parseArgs } from "node:util";
import { Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { didYouMean } from "../../base/words.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { ask, CliError } from "../../ops/cli/client.ts";
import { kmSocket } from "../local/local.ts";
import type { KmStatus } from "../model/status.ts";
import { alarmText, linkTable, moduleTable, statusText } from "./show.ts";

const usage = `qkd-km COMMAND --config FILE [--json]: a key manager (ITU-T Y.3803)

  run            runs it until it is told to stop
  check-config   says what is wrong with the configuration, and whether it would start
  status         store, links and modules in short
  links          each link: session, keys that wait, compared, stock of both owners
  keys           what came from each module
  alarms         what is raised, and what to do

  --config FILE  its configuration (default /etc/qkd-km/config.toml)
  --json         for programs, with status, links, keys and alarms
  --help, --version

Exit codes: 0 done, 64 wrong command line, 69 it does not run, 70 a defect,
74 a file or socket, 78 the configuration
`;

const commands = ["run", "check-config", "status", "links", "keys", "alarms"] as const;
const standardFile = "/etc/qkd-km/config.toml";

/** @returns the exit code */
export async function dispatch(args: readonly string[]): Promise<number> {
  try {
    return await go(args);
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const line of error.located) process.stderr.write(`${line}\n`);
      return exit.config;
    }
    if (error instanceof CliError) {
      process.stderr.write(`qkd-km: ${error.message}\n`);
      return error.exitCode;
    }
    if (error instanceof Fault) {
      process.stderr.write(`qkd-km: ${error.message}\n`);
      return exit.io;
    }
    throw error;
  }
}

async function go(args: readonly string[]): Promise<number> {
  let parsed: {
    values: { config?: string; json?: boolean; help?: boolean; version?: boolean };
    positionals: string[];
  };
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    return wrong((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) return print(usage);
  if (values.version) {
    const { softwareVersion } = await import("../../base/version.ts");
    return print(`qkd-km ${softwareVersion}\n`);
  }
  const [command, ...more] = positionals;
  if (command === undefined) return wrong("which command?");
  if (more.length > 0) return wrong("one command at a time");
  const known = commands.find((name) => name === command);
  if (known === undefined) return wrong(`no such command${didYouMean(command, commands)}`);
  const { loadKmConfig } = await import("../config/load.ts");
  const config = loadKmConfig(values.config ?? standardFile);
  if (known === "run") {
    const { run } = await import("../main.ts");
    return run(config);
  }
  if (known === "check-config") return print(`${config.file} can be used\n`);
  const status = await ask<KmStatus>([kmSocket(config)], "status");
  if (values.json) {
    const parts = { links: status.links, keys: status.modules, alarms: status.alarms, status };
    return print(`${JSON.stringify(parts[known])}\n`);
  }
  if (known === "alarms") return print(alarmText(status.alarms));
  if (known === "links") return print(linkTable(status.links));
  return print(known === "keys" ? moduleTable(status.modules) : statusText(status));
}

function print(text: string): number {
  process.stdout.write(text);
  return exit.ok;
}

function wrong(message: string): number {
  process.stderr.write(`qkd-km: ${message}\n${usage}`);
  return exit.usage;
}
