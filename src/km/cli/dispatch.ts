/** `qkd-km COMMAND`: the table of its commands. Each brings in what it needs when it is called. */
import { systemClock } from "../../base/clock.ts";
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { ConfigError } from "../../host/config/problems.ts";
import {
  type Asked,
  type Command,
  type Program,
  begin as start,
  type Typed,
  UsageError,
} from "../../host/terminal/program.ts";
import { openTerminal } from "../../host/terminal/terminal.ts";
import { acknowledgedText } from "../../ops/cli/acknowledged.ts";
import { ask } from "../../ops/cli/client.ts";
import { shown } from "../../ops/cli/shown.ts";
import type { Acknowledged } from "../../ops/local/caller.ts";
import { refuseChangedSite } from "../../ops/site/told.ts";
import { kmSockets } from "../local/local.ts";
import type { KmStatus } from "../model/status.ts";
import { compromise, listKeys, showKey } from "./ask-records.ts";
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
  relay --link L --bits N
                 relays so many bits more for a link, as soon as pads are there
  rekey          gives the store of the running key manager another master key:
                 that of master_key_next_file, or one that the token wraps
  hsm init       makes the wrapping key in the token of [store.hsm] if it lacks
                 it, draws the master key and wraps it; overwrites nothing
  hsm check      whether the token opens the master key, and that the store: it
                 is given the PIN; exit code 1 if no key opens the store
  store check    reads all of the store of a key manager that is stopped: exit
                 code 1 if something in it is wrong
  store repair   drops what is damaged in it; no used key is ever free again

  --config FILE  its configuration (default ${standardConfig})
  --json         for programs: check-config, status, links, keys, key,
                 compromise, apps, alarms, doctor, support-bundle, relay, rekey,
                 hsm, store
  --from, --to   a time: 2h, 14:30, 2026-01-31T12:00Z; --to is now if left out
  --yes KM_ID    delete without asking, if this is the key manager
  --adopt FILE   hsm init: wraps the master key of this file; then: rekey
  --help, --version

SIGHUP has a running key manager look at its certificates now, and read the
tables [sae.NAME] of its configuration anew.
Exit codes: 0 done, 1 the store has damage, a check failed or it was refused,
64 wrong command line, 69 it does not run, or is starting, 70 a defect, 73 a
file cannot be made, 74 a file, the store or a socket, 75 not now, 76 another
version, 77 not permitted, 78 the configuration.
`;

const options = {
  json: { type: "boolean" },
  module: { type: "string" },
  link: { type: "string" },
  bits: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  delete: { type: "boolean" },
  yes: { type: "string" },
  /** File of a master key. */
  adopt: { type: "string" },
  /** ID of an alarm. */
  ack: { type: "string" },
} as const;
type Options = Typed<typeof options>;
type Given = Asked<Options>;

/** As messages name it when it is asked. */
const who = { called: "the key manager", command: "qkd-km" } as const;
const terminal = openTerminal(process.stdout, process.stderr, process.env, "qkd-km");

/** Carries out a command line, and ends the process with its exit code. */
export function begin(args: readonly string[]): Promise<void> {
  return start(program, terminal, args);
}

/** @throws ConfigError */
async function readConfig(file: string) {
  return (await import("../config/load.ts")).readKmConfig(file);
}

/** With all files that it names. @throws ConfigError */
async function loadConfig(file: string) {
  return (await import("../config/load.ts")).loadKmConfig(file);
}

/** What a command asks the running key manager with. */
async function asking({ file, values }: Given) {
  const config = await readConfig(file);
  const now = systemClock.wall();
  return { sockets: kmSockets(config), who, km: config.km.id, options: values, now };
}

/** A command that shows a part of the status: in words, or all of that part for a program. */
function showing(
  part: (status: KmStatus) => unknown,
  text: (status: KmStatus) => string,
): Command<Options>["run"] {
  return async (given) => {
    const { sockets } = await asking(given);
    const status = await ask<KmStatus>(sockets, "status", {}, undefined, who);
    return given.values.json ? pass(shown(status, who, part)) : print(shown(status, who, text));
  };
}

const modules = showing(
  (status) => status.modules,
  (status) => moduleTable(status.modules),
);
const alarms = showing(alarmList, alarmText);

const commands: readonly Command<Options>[] = [
  {
    call: "run",
    isDaemon: true,
    run: async ({ file }) => {
      refuseChangedSite(process.env, "km");
      const { startKmConfig } = await import("../config/load.ts");
      return (await import("../main.ts")).run(startKmConfig(file));
    },
  },
  {
    call: "check-config [FILE]",
    options: ["json"],
    run: ({ file, words: [named = file], values }) => check(named, values.json === true),
  },
  {
    call: "status",
    options: ["json"],
    run: showing((status) => status, statusText),
  },
  { call: "links", options: ["json"], run: showing(({ links }) => links, linkTable) },
  {
    call: "keys",
    options: ["json", "module", "from", "to"],
    run: async (given) => {
      const { module, from, to } = given.values;
      if (module !== undefined) return print(await listKeys(module, await asking(given)));
      if ((from ?? to) !== undefined) throw new UsageError("--from and --to go with --module");
      return modules(given);
    },
  },
  {
    call: "key show ID",
    options: ["json"],
    run: async (given) => print(await showKey(given.words[0] ?? "", await asking(given))),
  },
  {
    call: "compromise",
    options: ["json", "link", "from", "to", "delete", "yes"],
    run: async (given) => print(await compromise(await asking(given))),
  },
  {
    call: "apps",
    options: ["json"],
    run: showing(
      ({ applications = [] }) => applications,
      ({ applications }) => applicationTable(applications),
    ),
  },
  {
    call: "alarms",
    options: ["json", "ack"],
    run: (given) => (given.values.ack === undefined ? alarms(given) : acknowledge(given)),
  },
  {
    call: "doctor",
    options: ["json"],
    run: async ({ file, values: { json = false } }) =>
      (await import("./doctor.ts")).doctor({ file, json, terminal }),
  },
  {
    call: "support-bundle [FILE]",
    options: ["json"],
    run: async ({ file, values: { json = false }, words: [bundle] }) =>
      (await import("./doctor.ts")).supportBundle({ file, json, terminal }, bundle),
  },
  {
    call: "relay",
    options: ["json", "link", "bits"],
    run: async (given) => {
      const { orderRelay } = await import("./relay.ts");
      const { json, link, bits } = given.values;
      const done = await orderRelay(await asking(given), link, bits);
      return json ? pass(done) : print(done.text);
    },
  },
  {
    call: "rekey",
    options: ["json"],
    run: async (given) => {
      const { rekey, rekeyedText } = await import("./rekey.ts");
      const { json } = given.values;
      const done = await rekey(await asking(given), (line) => json || terminal.say(line));
      return json ? pass(done) : print(rekeyedText(done));
    },
  },
  ...(["init", "check"] as const).map(
    (act): Command<Options> => ({
      call: `hsm ${act}`,
      options: act === "init" ? ["json", "adopt"] : ["json"],
      run: async ({ file, values: { json = false, adopt } }) =>
        (await import("./hsm.ts")).hsmCommand(file, act, { json, adopt }),
    }),
  ),
  ...(["check", "repair"] as const).map(
    (act): Command<Options> => ({
      call: `store ${act}`,
      options: ["json"],
      run: async ({ file, values: { json = false } }) =>
        (await import("./store.ts")).storeCommand(await loadConfig(file), act, json),
    }),
  ),
];

const program: Program<typeof options> = {
  name: "qkd-km",
  usage,
  standardConfig,
  options,
  commands,
};

/** @throws ExitError if it was not */
async function acknowledge(given: Given): Promise<number> {
  const { ack: alarm = "", json } = given.values;
  const { sockets } = await asking(given);
  const acted = await ask<Acknowledged>(sockets, "acknowledge_alarm", { alarm }, undefined, who);
  if (json) pass(acted);
  const text = acknowledgedText(acted, alarm, who.command);
  return json ? exit.ok : print(text);
}

/** @throws ConfigError with all that is wrong, unless that is printed as JSON */
async function check(file: string, json: boolean): Promise<number> {
  const { checkKmConfig } = await import("../config/load.ts");
  try {
    const { tokenProblems } = await import("./check-token.ts");
    const { km, links, modules } = await checkKmConfig(file, Date.now(), tokenProblems);
    if (json) return pass({ file, good: true, km: km.id, problems: [] });
    const both = [counted(links.length, "link"), counted(modules.length, "module")];
    return print(`${file}: good (${km.id}; ${both.join(", ")})\n`);
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
