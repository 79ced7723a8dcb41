/** `qkd-psk COMMAND`: finds the command, says what is wrong with the command line. */
import { parseArgs } from "node:util";
import { describe, Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { didYouMean } from "../../base/words.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { placeOf } from "../../host/life/crashes.ts";
import { endBySignals, isStopRequested } from "../../host/life/signals.ts";
import { openTerminal, tidy } from "../../host/terminal/terminal.ts";
import { loadPskConfig } from "../config/load.ts";

const standardConfig = "/etc/qkd-psk/psk.toml";

const usage = `qkd-psk COMMAND [--config FILE]: QKD keys for a tunnel, changed while it runs

  run            asks the key manager of this end for keys (ETSI GS QKD 014), and
                 gives them to the tunnel (WireGuard, strongSwan, any program),
                 together with the qkd-psk at the other end, until it is stopped
  check-config   says what is wrong with the configuration and the files that it
                 names

  --config FILE  its configuration (default ${standardConfig})
  --help, --version

Exit codes: 0 done, 64 wrong command line, 70 a defect, 74 a file or a socket, 78
the configuration.
`;

const commands = ["run", "check-config"] as const;
const terminal = openTerminal(process.stdout, process.stderr, process.env, "qkd-psk");

/** Carries out a command line, and ends the process with its exit code. */
export async function begin(args: readonly string[]): Promise<void> {
  // Timers of the clock keep no process alive.
  setInterval(() => {}, 60_000);
  const code = await go(args).catch(explain);
  await terminal.written();
  process.exit(code);
}

function explain(error: unknown): number {
  if (error instanceof ConfigError) {
    for (const line of error.located) terminal.complain(line);
    return exit.config;
  }
  if (error instanceof Fault) {
    terminal.complain(`qkd-psk: ${describe(error)}`);
    return exit.io;
  }
  terminal.complain(`qkd-psk: internal error: ${describe(error)}${placeOf(error)}`);
  return exit.software;
}

async function go(args: readonly string[]): Promise<number> {
  let parsed: {
    values: { config?: string; help?: boolean; version?: boolean };
    positionals: string[];
  };
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    return wrong((error as Error).message.split(". ")[0] ?? "");
  }
  const { values, positionals } = parsed;
  if (positionals[0] !== "run") endBySignals();
  if (values.help) return print(usage);
  if (values.version) {
    const { softwareVersion } = await import("../../base/version.ts");
    return print(softwareVersion);
  }
  const [word, ...more] = positionals;
  if (word === undefined) return wrong("which command?");
  const command = commands.find((name) => name === word);
  if (command === undefined) {
    return wrong(`no such command: ${tidy(word)}${didYouMean(word, commands)}`);
  }
  if (more.length > 0) return wrong(`one command at a time: ${tidy(more[0] ?? "")} is too many`);
  const file = values.config ?? standardConfig;
  if (command === "check-config") {
    const { role, peer } = loadPskConfig(file);
    return print(`${file}: good (${role}, with ${peer.sae})`);
  }
  // Told to stop while it was loaded: nothing was begun.
  const { run } = await import("../main.ts");
  return (await isStopRequested()) ? exit.ok : run(loadPskConfig(file));
}

function print(text: string): number {
  terminal.say(text.trimEnd());
  return exit.ok;
}

function wrong(message: string): number {
  terminal.complain(`qkd-psk: ${message}\nTry: qkd-psk --help`);
  return exit.usage;
}
