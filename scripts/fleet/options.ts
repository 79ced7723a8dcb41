/** The command line of `npm run fleet`. */
import { parseArgs } from "node:util";
import { type BrokerName, brokerNames } from "../../test/rig/brokers.ts";

export class UsageError extends Error {}

export interface FleetOptions {
  readonly nodes: number;
  /** Where the nodes connect to, or what is started for them here. */
  readonly broker: { readonly url: string } | { readonly start: BrokerName };
  /** 5, or 4 for MQTT 3.1.1; undefined: 5, or the newest that the broker started here speaks. */
  readonly protocol: 4 | 5 | undefined;
  /** Files for the broker of `url`; as in the node's configuration. */
  readonly access: Readonly<
    Partial<Record<"username" | "password_file" | "ca" | "cert" | "key", string>>
  >;
  readonly processes: number;
  /** How long the steady phase is, s. */
  readonly seconds: number;
  /** The nodes start evenly over this time, s; 0: all at once. */
  readonly ramp: number;
  readonly telemetrySeconds: number;
  /** Each node raises an alarm this often on average, s. */
  readonly alarmSeconds: number;
  /** Ends the broker in the middle and starts it again; only one that was started here. */
  readonly restart: boolean;
  /** Where the nodes keep their state; undefined: a folder of its own that is removed. */
  readonly folder: string | undefined;
  readonly json: boolean;
}

export const usage = `npm run fleet -- [options]: many nodes at one broker

Starts lightweight nodes (the node's own alarms, outbox and MQTT client, with
simulated modules) and measures: until all are online, message rates, how long
an alarm takes to a manager, memory, bytes.

  --nodes N           how many (100)
  --broker WHERE      mqtt[s]://HOST[:PORT], or what to start here (mosquitto):
                      ${brokerNames.join(", ")}
  --protocol 5|4      MQTT 5 or 3.1.1 (5; 4 with nats-server)
  --processes N       processes that share the nodes (1 for each 500)
  --seconds S         how long the steady phase is (30)
  --ramp S            start the nodes over that time (0: all at once)
  --telemetry S       telemetry_interval_s of the nodes (5)
  --alarm-every S     each node raises an alarm that often on average (30)
  --no-restart        do not end the broker that was started here
  --username NAME, --password-file FILE, --ca FILE, --cert FILE, --key FILE
  --folder DIR        where the nodes keep their state (a temporary folder)
  --json              one JSON object at the end
  --help

Exit codes: 0 all online, no alarm lost, 99 % of the steady phase's within 1 s;
1 not so, 64 wrong command line, 69 no broker, 74 the output cannot be written.
`;

function number(text: string | undefined, standard: number, least: number, name: string): number {
  const value = text === undefined ? standard : Number(text);
  if (Number.isFinite(value) && value >= least) return value;
  throw new UsageError(`--${name}: expected a number, ${least} or more`);
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: text,
        broker: text,
        protocol: text,
        processes: text,
        seconds: text,
        ramp: text,
        telemetry: text,
        "alarm-every": text,
        "no-restart": flag,
        username: text,
        "password-file": text,
        ca: text,
        cert: text,
        key: text,
        folder: text,
        json: flag,
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

function brokerOf(text: string): FleetOptions["broker"] {
  const known = brokerNames.find((name) => name === text);
  if (known !== undefined) return { start: known };
  if (/^mqtts?:\/\/[^/@\s]+$/.test(text)) return { url: text };
  throw new UsageError(`--broker: expected mqtt[s]://HOST[:PORT] or ${brokerNames.join(", ")}`);
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): FleetOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const nodes = Math.floor(number(values.nodes, 100, 1, "nodes"));
  const { protocol, username, ca, cert, key } = values;
  if (protocol !== undefined && protocol !== "5" && protocol !== "4") {
    throw new UsageError("--protocol: expected 5 or 4");
  }
  const password_file = values["password-file"];
  const files = { username, password_file, ca, cert, key };
  const given = Object.entries(files).filter(([, value]) => value !== undefined);
  return {
    nodes,
    broker: brokerOf(values.broker ?? "mosquitto"),
    protocol: protocol === undefined ? undefined : protocol === "5" ? 5 : 4,
    access: Object.fromEntries(given),
    processes: Math.floor(number(values.processes, Math.ceil(nodes / 500), 1, "processes")),
    seconds: number(values.seconds, 30, 1, "seconds"),
    ramp: number(values.ramp, 0, 0, "ramp"),
    telemetrySeconds: number(values.telemetry, 5, 0.1, "telemetry"),
    alarmSeconds: number(values["alarm-every"], 30, 0.1, "alarm-every"),
    restart: !values["no-restart"],
    folder: values.folder,
    json: values.json,
  };
}
