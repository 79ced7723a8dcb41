/** `qkd-km COMMAND`: finds the command, checks its options, says what is wrong with them. */
import { parseArgs } from "node:util";
import { systemClock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { didYouMean } from "../../base/words.ts";
import { ConfigError } from "../../host/config/problems.ts";
import { placeOf } from "../../host/life/crashes.ts";
import { endBySignals, isStopRequested } from "../../host/life/signals.ts";
import { openTerminal, tidy } from "../../host/terminal/terminal.ts";
import { ask, CliError } from "../../ops/cli/client.ts";
import { type Acknowledged, kmSockets } from "../local/local.ts";
import type { KmStatus } from "../model/status.ts";
import { compromise, listKeys, type RecordOptions, showKey } from "./ask-records.ts";
import {
  alarmList,
  alarmText,
  applicationTable,
  linkTable,
  moduleTable,
  statusText,
} from "./show.ts";

const standardConfig = "/etc/qkd-km/km.toml";

const usage = `qkd-km COMMAND [--config FILE]: a key manager (ITU-T Y.3803)

  run            runs it until it is told to stop
  check-config   says what is wrong with the configuration and the files that it
                 names; also: check-config FILE
  status         store, links and modules in short
  links          each link: its session, keys that wait, keys compared, stock of
                 both owners; how its modules are, as their nodes tell it
  keys           what came from each module
  keys --module M --from T [--to T]
                 QKD-keys of a module that came in a time, and what each became
  key show ID    what became of a QKD-key, a KMA-key or a KSA-key, in order
  compromise --link L --from T [--to T] [--delete]
                 keys that others could know if a link was not safe for a time;
                 with --delete what is free of them is void at both ends
  apps           applications that asked for keys, and what they were given here
  alarms         what is raised, and what to do; also what nodes tell of theirs
  doctor         looks for what is wrong, running or not, and says what to do:
                 exit code 1 if a check failed. Disturbs nothing
  support-bundle [FILE]
                 one file for who helps from afar: states, alarms, log, doctor's
                 report; no key, no private key, no password
  alarms --ack ID
                 somebody has seen it: what is latched and over is cleared
  rekey          gives the store of the running key manager another master key:
                 that of master_key_next_file, or one that the token wraps
  hsm init       makes the wrapping key in the token of [store.hsm] if it lacks
                 it, draws the master key and wraps it; overwrites nothing
  hsm check      whether the token opens the master key: it is given the PIN
  store check    reads all of the store of a key manager that is stopped: exit
                 code 1 if something in it is wrong
  store repair   drops what is damaged in it; no used key is ever free again

  --config FILE  its configuration (default ${standardConfig})
  --json         for programs: check-config, status, links, keys, key,
                 compromise, apps, alarms, doctor, support-bundle, rekey, hsm,
                 store
  --from, --to   a time: 2h, 14:30, 2026-01-31T12:00Z; --to is now if left out
  --yes KM_ID    delete without asking, if this is the key manager
  --adopt FILE   hsm init: wraps the master key of this file; then: rekey
  --help, --version

SIGHUP has a running key manager look at its certificates now, and read the
tables [sae.NAME] of its configuration anew.
Exit codes: 0 done, 1 the store has damage or a check failed, 64 wrong command
line, 69 it does not run, 70 a defect, 73 a file cannot be made, 74 a file, the
store or a socket, 77 not permitted, 78 the configuration.
`;

const commands = [
  "run",
  "check-config",
  "status",
  "links",
  "keys",
  "key",
  "compromise",
  "apps",
  "alarms",
  "doctor",
  "support-bundle",
  "rekey",
  "hsm",
  "store",
] as const;
const storeActs = ["check", "repair"] as const;
const hsmActs = ["init", "check"] as const;
/** As messages name it when it is asked. */
const who = { called: "the key manager", command: "qkd-km" } as const;

interface Options extends RecordOptions {
  readonly config?: string;
  readonly help?: boolean;
  readonly version?: boolean;
  /** File of a master key. */
  readonly adopt?: string;
  /** ID of an alarm. */
  readonly ack?: string;
}

const terminal = openTerminal(process.stdout, process.stderr, process.env, "qkd-km");

/** Carries out a command line, and ends the process with its exit code. */
export async function begin(args: readonly string[]): Promise<void> {
  // Timers of the clock keep no process alive.
  setInterval(() => {}, 60_000);
  const code = await go(args).catch(explain);
  await terminal.written();
  process.exit(code);
}

/** Says what went wrong, in as few lines as that takes. @returns an exit code */
function explain(error: unknown): number {
  if (error instanceof ConfigError) {
    for (const line of error.located) terminal.complain(line);
    return exit.config;
  }
  if (error instanceof CliError) {
    terminal.complain(`qkd-km: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof Fault) {
    terminal.complain(`qkd-km: ${describe(error)}`);
    return exit.io;
  }
  // What others say may quote what they were given.
  const what = `${describe(error)}${placeOf(error)}`;
  terminal.complain(`qkd-km: internal error: ${what}; please report it`);
  return exit.software;
}

async function go(args: readonly string[]): Promise<number> {
  let parsed: {
    values: Options;
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
        module: { type: "string" },
        link: { type: "string" },
        from: { type: "string" },
        to: { type: "string" },
        delete: { type: "boolean" },
        yes: { type: "string" },
        adopt: { type: "string" },
        ack: { type: "string" },
      },
    });
  } catch (error) {
    // Its second sentence is about positional arguments.
    return wrong((error as Error).message.split(". ")[0] ?? "");
  }
  const { values, positionals } = parsed;
  // Another word may have been "run": the name of a file.
  if (positionals[0] !== "run") endBySignals();
  if (values.help) return print(usage);
  if (values.version) {
    const { softwareVersion } = await import("../../base/version.ts");
    return print(softwareVersion);
  }
  const [command, ...more] = positionals;
  if (command === undefined) return wrong("which command?");
  const known = commands.find((name) => name === command);
  if (known === undefined)
    return wrong(`no such command: ${tidy(command)}${didYouMean(command, commands)}`);
  const [named = values.config] = known === "check-config" ? more.splice(0, 1) : [];
  const [id] = known === "key" && more[0] === "show" ? more.splice(0, 2).slice(1) : [];
  if (known === "key" && id === undefined) return wrong("key show ID");
  const word = known === "store" || known === "hsm" ? more.shift() : undefined;
  const act = storeActs.find((name) => name === word);
  const bundle = known === "support-bundle" ? more.shift() : undefined;
  const hsmAct = hsmActs.find((name) => name === word);
  if (more.length > 0)
    return wrong(`one command at a time: ${tidy(more[0] ?? "")} is one too many`);
  const misplaced = misplacedOption(word === "init" ? "hsm init" : known, values);
  if (misplaced !== undefined) return wrong(`--${misplaced} has no use with ${known}`);
  const file = named ?? values.config ?? standardConfig;
  const json = values.json === true;
  if (known === "check-config") return check(file, json);
  if (known === "doctor" || known === "support-bundle") {
    const { doctor, supportBundle } = await import("./doctor.ts");
    const asked = { file, json, terminal };
    return known === "doctor" ? doctor(asked) : supportBundle(asked, bundle);
  }
  if (known === "run") {
    // Told to stop while it was loaded: nothing was begun.
    const { run } = await import("../main.ts");
    if (await isStopRequested()) return exit.ok;
    return run((await import("../config/load.ts")).loadKmConfig(file));
  }
  const { readKmConfig } = await import("../config/load.ts");
  if (known === "store") {
    if (act === undefined) return wrong("store check, or store repair?");
    const { loadKmConfig } = await import("../config/load.ts");
    const { storeCommand } = await import("./store.ts");
    return storeCommand(loadKmConfig(file), act, values.json === true);
  }
  if (known === "hsm") {
    if (hsmAct === undefined) return wrong("hsm init, or hsm check?");
    const { loadKmConfig } = await import("../config/load.ts");
    const { hsmCommand } = await import("./hsm.ts");
    const { json = false, adopt } = values;
    return hsmCommand(loadKmConfig(file), hsmAct, { json, adopt });
  }
  const config = readKmConfig(file);
  const sockets = kmSockets(config);
  const asked = { sockets, who, km: config.km.id, options: values, now: systemClock.wall() };
  if (known === "key") return print(await showKey(id ?? "", asked));
  if (known === "compromise") return print(await compromise(asked));
  if (known === "rekey") {
    const { rekey, rekeyedText } = await import("./rekey.ts");
    const done = await rekey(asked, (line) => values.json || terminal.say(line));
    return values.json ? pass(done) : print(rekeyedText(done));
  }
  if (known === "keys" && values.module !== undefined) {
    return print(await listKeys(values.module, asked));
  }
  if (values.ack !== undefined) return acknowledge(values.ack, sockets, values.json === true);
  const status = await ask<KmStatus>(sockets, "status", {}, undefined, who);
  if (values.json) {
    const { links, modules: keys, applications: apps = [] } = status;
    const alarms = alarmList(status);
    const parts = { links, keys, alarms, apps, status };
    return pass(parts[known]);
  }
  if (known === "alarms") return print(alarmText(status));
  if (known === "apps") return print(applicationTable(status.applications));
  if (known === "links") return print(linkTable(status));
  return print(known === "keys" ? moduleTable(status.modules) : statusText(status));
}

const notAcknowledged: Readonly<Record<string, string>> = {
  unknown_alarm: "there is no such alarm: see qkd-km alarms",
  not_raised: "it is over, or acknowledged already",
};

/** @throws CliError if it was not */
async function acknowledge(
  alarm: string,
  sockets: readonly string[],
  json: boolean,
): Promise<number> {
  const acted = await ask<Acknowledged>(sockets, "acknowledge_alarm", { alarm }, undefined, who);
  if (json) pass(acted);
  if (acted.status === "done") return json ? exit.ok : print(`${tidy(alarm)} is acknowledged\n`);
  const why = notAcknowledged[acted.reason ?? ""] ?? tidy(acted.reason ?? "");
  throw new CliError(`not acknowledged: ${why}`, exit.failed);
}

const ofSome = ["module", "link", "from", "to", "delete", "yes", "adopt", "ack"] as const;

/** An option that this command does not look at: a mistake, and not to be passed over. */
function misplacedOption(command: string, values: Options): string | undefined {
  const used: readonly string[] =
    command === "compromise"
      ? ["link", "from", "to", "delete", "yes"]
      : command === "keys" && values.module !== undefined
        ? ["module", "from", "to"]
        : command === "hsm init"
          ? ["adopt"]
          : command === "alarms"
            ? ["ack"]
            : [];
  return ofSome.find((name) => values[name] !== undefined && !used.includes(name));
}

/** @throws ConfigError with all that is wrong, unless that is printed as JSON */
async function check(file: string, json: boolean): Promise<number> {
  const { checkKmConfig } = await import("../config/load.ts");
  try {
    const { tokenProblems } = await import("./check-token.ts");
    const { km, links, modules } = await checkKmConfig(file, Date.now(), tokenProblems);
    if (json) return pass({ file, good: true, km: km.id, problems: [] });
    const count = (of: readonly unknown[], one: string) =>
      `${of.length} ${one}${of.length === 1 ? "" : "s"}`;
    return print(
      `${file}: good (${km.id}; ${count(links, "link")}, ${count(modules, "module")})\n`,
    );
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    pass({ file, good: false, problems: error.located });
    return exit.config;
  }
}

function print(text: string): number {
  terminal.say(text.trimEnd());
  return exit.ok;
}

/** For a program. */
function pass(value: unknown): number {
  terminal.pass(JSON.stringify(value));
  return exit.ok;
}

function wrong(message: string): number {
  terminal.complain(`qkd-km: ${message}\nTry: qkd-km --help`);
  return exit.usage;
}
