/** `qkd-node`: what an operator types, and what systemd starts. */
import { parseArgs } from "node:util";
import { ConfigError } from "./config/problems.ts";
import { exit } from "./exit-codes.ts";
import { configure, driverFor, run } from "./main.ts";
import { systemClock } from "./port/clock.ts";
import { describe } from "./port/errors.ts";
import { probe } from "./probe.ts";
import { ledgerCheck, ledgerRepair, stateCheck, stateReset } from "./repair.ts";
import { softwareVersion } from "./version.ts";

const usage = `qkd-node ${softwareVersion}: QKD node controller

  qkd-node run --config FILE      run the node until SIGTERM or SIGINT
  qkd-node check-config FILE      say what is wrong with a configuration
  qkd-node probe DEVICE [--baud N]
                                  say what answers on a serial port, a PCIe card
                                  (/dev/xdma0) or a socket (tcp:HOST:PORT,
                                  unix:/PATH); takes no key (default 921600 bit/s)
  qkd-node ledger check --config FILE [MODULE]
                                  say whether the ledgers are whole
  qkd-node ledger repair --config FILE MODULE [--trust]
                                  make a damaged ledger anew; what was lost of it
                                  is withheld (--trust: is not)
  qkd-node state check --config FILE
                                  say whether the small state is whole
  qkd-node state reset --config FILE --boot N
                                  make it anew, with N starts so far
  qkd-node --version              print the version

Exit codes: 0 ok, 64 wrong command line, 69 no module answers, 70 internal
error, 74 a file cannot be used, 78 the configuration cannot be used.

Example:
  qkd-node check-config /etc/qkd-node/node.toml && qkd-node run --config /etc/qkd-node/node.toml
`;

class UsageError extends Error {}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: "string" },
        baud: { type: "string" },
        boot: { type: "string" },
        trust: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function probeDevice(device: string, baud: number): Promise<number> {
  try {
    const driver = driverFor(device, baud);
    if (driver === undefined) throw new UsageError(`no driver knows what ${device} is`);
    await probe(driver, systemClock, (line) => say(line));
    return exit.ok;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    complain(`qkd-node: ${describe(error)}`);
    return exit.unavailable;
  }
}

async function mendFiles(
  command: "ledger" | "state",
  [action, module, ...rest]: string[],
  values: ReturnType<typeof parse>["values"],
): Promise<number> {
  const wrong = new UsageError(`${command} check|${command === "ledger" ? "repair" : "reset"} …`);
  if (values.config === undefined || rest.length > 0) throw wrong;
  const config = configure(values.config);
  if (module !== undefined && !config.modules.some(({ name }) => name === module)) {
    throw new UsageError(`no module ${module} is configured`);
  }
  const boot = Number(values.boot ?? Number.NaN);
  try {
    if (command === "ledger" && action === "check") return await ledgerCheck(config, module, say);
    if (command === "ledger" && action === "repair" && module !== undefined) {
      return await ledgerRepair(config, module, values.trust === true, say);
    }
    if (command === "state" && action === "check") return await stateCheck(config, say);
    if (command === "state" && action === "reset" && Number.isSafeInteger(boot) && boot >= 0) {
      return await stateReset(config, boot, say);
    }
  } catch (error) {
    complain(`qkd-node: ${describe(error)}`);
    return exit.io;
  }
  throw wrong;
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help || command === "help") {
    process.stdout.write(usage);
    return exit.ok;
  }
  if (values.version) {
    say(softwareVersion);
    return exit.ok;
  }
  switch (command) {
    case "run": {
      if (values.config === undefined || rest.length > 0) throw new UsageError("run --config FILE");
      return run(configure(values.config));
    }
    case "check-config": {
      const file = rest[0] ?? values.config;
      if (file === undefined || rest.length > 1) throw new UsageError("check-config FILE");
      const config = configure(file);
      const modules = config.modules.map(
        (module) => `${module.name} → ${module.kms.map(({ name }) => name).join(", ")}`,
      );
      say(`${file}: good (node ${config.node.id}; ${modules.join(", ")})`);
      return exit.ok;
    }
    case "probe": {
      const [device] = rest;
      const baud = Number(values.baud ?? 921_600);
      if (device === undefined || rest.length > 1) throw new UsageError("probe DEVICE [--baud N]");
      if (!Number.isSafeInteger(baud) || baud < 1_200) {
        throw new UsageError("--baud: expected a whole number, 1200 or more");
      }
      return probeDevice(device, baud);
    }
    case "ledger":
    case "state":
      return mendFiles(command, rest, values);
    case undefined:
      throw new UsageError("a command is needed");
    default:
      throw new UsageError(`no such command: ${command}`);
  }
}

async function begin(args: string[]): Promise<void> {
  // Timers of the clock keep no process alive, and a device that is polled has nothing else.
  setInterval(() => {}, 60_000);
  try {
    process.exitCode = await main(args);
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`qkd-node: ${error.message}\nTry: qkd-node --help`);
      process.exitCode = exit.usage;
    } else if (error instanceof ConfigError) {
      for (const problem of error.problems) complain(problem);
      process.exitCode = exit.config;
    } else {
      throw error;
    }
  }
  // Whatever a library left open must not keep a node from ending: all of ours is closed by now.
  process.exit();
}

// No `await` here: the production build is CommonJS, which starts faster.
void begin(process.argv.slice(2));
