/** `qkd-controller COMMAND`: the table of its commands. Each brings in what it needs when it is called. */
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
import { tidy } from "../../host/terminal/terminal.ts";
import { acknowledgedText } from "../../ops/cli/acknowledged.ts";
import { numberOf } from "../../ops/cli/number.ts";
import { shown } from "../../ops/cli/shown.ts";
import { parseSince } from "../../ops/cli/since.ts";
import type { Acknowledged } from "../../ops/local/caller.ts";
import { refuseChangedSite } from "../../ops/site/told.ts";
import type { IssuedStatus } from "../access/issuing.ts";
import type { CertificateIssued, CurrentList } from "../core/certificates.ts";
import type { ChangeStatus } from "../model/status.ts";
import { showAccounts } from "./accounts.ts";
import { asked, pass, print, showing, status, terminal, who } from "./asking.ts";
import {
  alarmText,
  changeTable,
  issuedTable,
  linkTable,
  nodeTable,
  pairTable,
  routeTable,
  sessionTable,
} from "./show.ts";

const standardConfig = "/etc/qkd-controller/controller.toml";

const usage = `qkd-controller COMMAND [--config FILE]: a QKDN controller (ITU-T Q.4164)

  run            runs it until it is told to stop
  check-config   says what is wrong with the configuration and the files that it
                 names; also: check-config FILE
  status         nodes, links, pairs and the last changes in short
  nodes          each key manager, and what nodes around it tell
  links          each link: its state, stock and rate as routes are computed
                 from them, and why it is not good
  pairs          who asks for keys, how much, and what the network can give
  routes         which way the keys of each pair go, and which other ways are
  sessions       open sessions of applications
  changes        what changed, when and why, the newest first; [-n N]
  alarms         what is raised, and what to do
  alarms --ack ID
                 somebody has seen it: what is latched and over is cleared
  accounting     who used how much, as CSV; [--since T], --json
  service COMPONENT STATE
                 a node (its KM ID) or link (KM1--KM2) is in_service,
                 out_of_service, standby or reserved from now on
  register KIND ID [--km KM] [--class CLASS]
                 a key manager (km) may connect, or an application may ask for
                 sessions and relays; with --csr FILE it gets a certificate, on
                 stdout or in --out FILE
  certify KIND ID --csr FILE
                 another certificate for who is registered: in time, or for a
                 new key; [--name N[,N]] more names in it, [--out FILE]
  issued         certificates that were issued, the newest first
  revoke SERIAL [--reason R]
                 a certificate is taken back; key managers hear it within 5 s
  revocation-list
                 the list of those that were taken back, PEM
  withdraw KIND ID
                 it may not any more: it is cut off, its certificates are taken
                 back, and it stays out
  route set KM1 KM2 ROUTES
                 these ways and no others: KMs between, as in km-b,km-c;km-d
  route clear KM1 KM2
                 the controller finds the ways again
  relay KM1 KM2 BITS
                 so many bits are relayed, as soon as links have them; 0: what
                 was ordered and has not begun is taken back
  session end ID
                 its applications get no more keys in it
  doctor         looks for what is wrong, running or not, and says what to do:
                 exit code 1 if a check failed. Disturbs nothing
  support-bundle [FILE]
                 one file for who helps from afar; no private key, no password

  --config FILE  its configuration (default ${standardConfig})
  --json         for programs: all but run
  -n N           how many changes (default 50)
  --since T      a time: 2h, 14:30, 2026-01-31T12:00Z
  --help, --version

SIGHUP has a running controller look at its certificates now.
Exit codes: 0 done, 1 a check failed or it was refused, 64 wrong command line,
69 it does not run, or is starting, 70 a defect, 73 a file cannot be made, 74 a
file, the store or a socket, 75 not now, 76 another version, 77 not permitted,
78 the configuration.
`;

const options = {
  json: { type: "boolean" },
  /** ID of an alarm. */
  ack: { type: "string" },
  since: { type: "string" },
  n: { type: "string", short: "n" },
  km: { type: "string" },
  class: { type: "string" },
  /** File of a certificate request. */
  csr: { type: "string" },
  /** More names in a certificate, with commas between. */
  name: { type: "string" },
  out: { type: "string" },
  reason: { type: "string" },
} as const;
type Options = Typed<typeof options>;
type Given = Asked<Options>;

/** Carries out a command line, and ends the process with its exit code. */
export function begin(args: readonly string[]): Promise<void> {
  return start(program, terminal, args);
}

const certifying = ["csr", "name", "out"] as const;

const alarms = showing("alarms", (status) => alarmText(status.alarms));

const commands: readonly Command<Options>[] = [
  {
    call: "run",
    isDaemon: true,
    run: async ({ file }) => {
      refuseChangedSite(process.env, "controller");
      const { startControllerConfig } = await import("../config/load.ts");
      return (await import("../main.ts")).run(startControllerConfig(file));
    },
  },
  {
    call: "check-config [FILE]",
    options: ["json"],
    run: ({ file, words: [named = file], values }) => check(named, values.json === true),
  },
  { call: "status", options: ["json"], run: status },
  { call: "nodes", options: ["json"], run: showing("nodes", nodeTable) },
  { call: "links", options: ["json"], run: showing("links", linkTable) },
  { call: "pairs", options: ["json"], run: showing("pairs", pairTable) },
  { call: "routes", options: ["json"], run: showing("pairs", routeTable) },
  {
    call: "sessions",
    options: ["json"],
    run: showing("sessions", sessionTable),
  },
  {
    call: "changes",
    options: ["json", "n"],
    run: async (given) => {
      const { n = "50", json } = given.values;
      if (!/^[1-9]\d{0,4}$/.test(n)) throw new UsageError("-n NUMBER");
      const changes = await asked<ChangeStatus[]>(given, "changes", { n: Number(n) });
      return json ? pass(changes) : print(shown(changes, who, changeTable));
    },
  },
  {
    call: "alarms",
    options: ["json", "ack"],
    run: (given) => (given.values.ack === undefined ? alarms(given) : acknowledge(given)),
  },
  {
    call: "accounting",
    options: ["json", "since"],
    run: async (given) => {
      const { since, json } = given.values;
      const from = since === undefined ? 0 : parseSince(since, systemClock.wall());
      if (from === undefined) throw new UsageError("--since TIME: as in 2h, 14:30, 2026-01-31");
      return showAccounts(
        from,
        json === true,
        (args) => asked(given, "accounting", args),
        terminal,
      );
    },
  },
  {
    call: "service COMPONENT STATE",
    options: ["json"],
    run: async (given) => {
      const [component = "", service = ""] = given.words;
      const done = await asked(given, "set_service", { component, service });
      return given.values.json ? pass(done) : print(`${tidy(component)} is ${tidy(service)}\n`);
    },
  },
  {
    call: "register KIND ID",
    options: ["json", "km", "class", ...certifying],
    run: (given) => admit(given, "register"),
  },
  {
    call: "certify KIND ID",
    options: ["json", ...certifying],
    run: (given) => admit(given, "certify"),
  },
  {
    call: "withdraw KIND ID",
    options: ["json"],
    run: async (given) => {
      const [kind = "", id = ""] = given.words;
      const done = await asked(given, "withdraw", { kind, id });
      if (given.values.json) return pass(done);
      const { known } = done as { known?: boolean };
      const stranger = ": this controller did not know it; it is refused should it come";
      return print(`${tidy(kind)} ${tidy(id)} was withdrawn${known === false ? stranger : ""}\n`);
    },
  },
  {
    call: "issued",
    options: ["json"],
    run: async (given) => {
      const issued = await asked<IssuedStatus[]>(given, "issued");
      return given.values.json ? pass(issued) : print(shown(issued, who, issuedTable));
    },
  },
  {
    call: "revoke SERIAL",
    options: ["json", "reason"],
    run: async (given) => {
      const { reason, json } = given.values;
      const [serial = ""] = given.words;
      const done = await asked(given, "revoke", { serial, ...(reason && { reason }) });
      return json ? pass(done) : print(`certificate ${tidy(serial)} is revoked\n`);
    },
  },
  {
    call: "revocation-list",
    options: ["json"],
    run: async (given) => {
      const list = await asked<CurrentList>(given, "revocation_list");
      return given.values.json ? pass(list) : print(shown(list, who, ({ pem }) => pem));
    },
  },
  ...(["set", "clear"] as const).map(
    (does): Command<Options> => ({
      call: does === "set" ? "route set KM1 KM2 ROUTES" : "route clear KM1 KM2",
      options: ["json"],
      run: async (given) => {
        const [a = "", b = "", routes] = given.words;
        // An empty one is a route, too: the link between the two.
        const way = routes === undefined ? {} : { routes };
        const done = await asked(given, "set_routes", { a, b, ...way });
        const how = does === "set" ? "go as you say" : "go as the controller finds";
        if (given.values.json) return pass(done);
        return print(`keys of ${tidy(a)} and ${tidy(b)} ${how}\n`);
      },
    }),
  ),
  {
    call: "relay KM1 KM2 BITS",
    options: ["json"],
    run: async (given) => {
      const [a = "", b = "", count = ""] = given.words;
      const bits = numberOf(count);
      if (bits === undefined) throw new UsageError("relay KM1 KM2 BITS");
      const done = await asked(given, "relay", { a, b, bits });
      if (given.values.json) return pass(done);
      return print(bits > 0 ? "ordered; qkd-controller pairs shows it\n" : "taken back\n");
    },
  },
  {
    call: "session end ID",
    options: ["json"],
    run: async (given) => {
      const [session = ""] = given.words;
      const done = await asked(given, "end_session", { session });
      return given.values.json ? pass(done) : print(`session ${tidy(session)} is over\n`);
    },
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
];

const program: Program<typeof options> = {
  name: who.command,
  usage,
  standardConfig,
  options,
  commands,
};

/** Registers or certifies; a certificate goes to stdout, or to a file. */
async function admit(given: Given, does: "register" | "certify"): Promise<number> {
  const [kind = "", id = ""] = given.words;
  const { km, class: of, csr, name: names, out, json } = given.values;
  if (csr === undefined && (does === "certify" || names !== undefined || out !== undefined)) {
    throw new UsageError(`${does} ${kind} ${id} --csr FILE`);
  }
  const { certificateTo, requestIn } = await import("./certificate-files.ts");
  const what = {
    kind,
    id,
    ...(km && { km }),
    ...(of && { class: of }),
    ...(csr !== undefined && { request: requestIn(csr) }),
    ...(names && { names }),
  };
  const done = await asked<Partial<CertificateIssued>>(given, does, what);
  const { certificate, serial = "", not_after = "" } = done;
  if (json) return pass(done);
  if (certificate === undefined) return print(`${tidy(kind)} ${tidy(id)} is registered\n`);
  if (out === undefined) return print(certificate);
  certificateTo(out, certificate);
  return print(`${tidy(out)}: certificate ${tidy(serial)}, until ${tidy(not_after)}\n`);
}

/** @throws CliError if it was not */
async function acknowledge(given: Given): Promise<number> {
  const { ack: alarm = "", json } = given.values;
  const acted = await asked<Acknowledged>(given, "acknowledge_alarm", { alarm });
  if (json) pass(acted);
  const text = acknowledgedText(acted, alarm, who.command);
  return json ? exit.ok : print(text);
}

/** @throws ConfigError with all that is wrong, unless that is printed as JSON */
async function check(file: string, json: boolean): Promise<number> {
  const { checkControllerConfig } = await import("../config/load.ts");
  const { notesOn } = await import("../config/notes.ts");
  try {
    const config = checkControllerConfig(file, systemClock.wall());
    const { controller, node, link } = config;
    const notes = notesOn(config);
    if (json) return pass({ file, good: true, controller: controller.id, problems: [], notes });
    const both = [
      counted(Object.keys(node).length, "node"),
      counted(Object.keys(link).length, "link"),
    ];
    const told = notes.map((note) => `${file}: note: ${tidy(note)}\n`);
    return print(`${file}: good (${controller.id}; ${both.join(", ")})\n${told.join("")}`);
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    pass({ file, good: false, problems: error.located });
    return exit.config;
  }
}
