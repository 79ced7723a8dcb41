/** The command line of `npm start`. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describe } from "../../src/base/errors.ts";
import type { EndName, KmAt } from "../../test/rig/rig.ts";
import { readAddress, UsageError } from "../conform/usage.ts";

export { UsageError };

const endNames: readonly EndName[] = ["alice", "bob"];

export interface DemoOptions {
  /** Two nodes and the link between them, instead of three in a row. */
  readonly link: boolean;
  /** Key managers of a whole network and its controller instead: the name of one, or a file. */
  readonly network: string | undefined;
  /** One folder with `alice` and `bob` in it, or the two. */
  readonly replay: readonly string[] | undefined;
  readonly seed: number | undefined;
  /** End once both KMs hold that many keys. */
  readonly keys: number | undefined;
  /** Where applications may ask: written to this file once all is up. */
  readonly endpoints: string | undefined;
  /** One JSON object on standard output at the end. */
  readonly json: boolean;
  readonly baud: number;
  readonly blockIntervalMs: number;
  readonly blockBits: number;
  readonly keyBits: number | undefined;
  /** KMs that run already, by the end whose node supplies them. */
  readonly kmAt: Partial<Record<EndName, KmAt>>;
  /** The test double instead of the product's key managers. */
  readonly testKm: boolean;
  /** Give up after this long without a new key, s. */
  readonly patienceSeconds: number;
}

export const usage = `npm start -- [options]: a QKD network of three nodes on this machine

Alice, Bob and Carol in a row: two fibres, with an emulated module at each end
over a virtual serial port (Bob has two), three nodes, Kq-1 with mutual TLS 1.3,
three key managers and the links between them, an MQTT broker. Alice and Carol
share no fibre: the keys that their applications ask for (ETSI GS QKD 014) are
relayed by Bob's key manager under one-time pads. Keys at the bottom of the
screen cut a fibre, start an eavesdropper and more. Ctrl-C ends it and leaves
nothing behind.

  --link                  two nodes, and one link between them
  --network NAME|FILE     key managers of a whole network and its controller,
                          without nodes: secoqc, tokyo, nsfnet, or a file of
                          nodes and links (README). It runs until it is told
                          to stop
  --replay DIR [BOB_DIR]  recorded qcrypto output: a folder with alice/ and
                          bob/ in it, or the two folders
  --seed N                a reproducible stream of key
                          (default: a recording, then a simulated fibre)
  --keys N                end once both KMs of each fibre have compared N keys,
                          and the ends have some that were relayed
  --endpoints FILE        write to FILE where applications may ask for keys, and
                          with which certificates, once all is up (JSON)
  --json                  print one JSON object at the end; with --replay it
                          ends when the recording is exhausted
  --baud N                line rate, bit/s; 0 = unlimited (115200)
  --block-interval-ms N   time between blocks (1000; with --keys or --json 1)
  --block-bits N          bits of a block of --seed (8192)
  --key-bits N            cut blocks into QKD-keys of N bits (default: whole)
  --test-km               a link with test doubles instead of the key managers
  --km HOST:PORT          a link with your own KM instead of the one of Alice's
                          end; a second --km: of Bob's end
                          (docs/test-your-km.md)
  --certificates DIR      for --km: what scripts/certificates made
  --server-name NAME      for --km: the name in the KM's certificate (HOST)
  --https                 for --km: Kq-1 over HTTPS instead of TCP
  --patience SECONDS      give up when no key arrives for so long (60)
  --help

Recordings: test/fixtures/qcrypto/*; that of 12.5 % QBER has no key in it.
Exit codes: 0 done, 1 keys differ or did not arrive, or something cannot be
started or written, 64 wrong command line or file of --network, 74 this help
cannot be written.
`;

/** Bits of a block, as the emulator takes them; a module has no longer ones. */
const mostBlockBits = 8_388_608;
/** Of a QKD-key: `module.key_bits`. */
const mostKeyBits = 376_000;
const mostBaud = 1_000_000_000;
/** A day. Above 24.8 of them a timer of Node.js goes off at once. */
const mostIntervalMs = 86_400_000;

/** @throws UsageError */
function number(
  text: string | undefined,
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most) {
    return value;
  }
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  throw new UsageError(`--${name}: expected a whole number, ${range}`);
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): DemoOptions | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  if (values.replay !== undefined && values.seed !== undefined) {
    throw new UsageError("--replay and --seed exclude each other");
  }
  if (positionals.length > (values.replay === undefined ? 0 : 1)) {
    throw new UsageError(`unexpected argument: ${positionals.at(-1)}`);
  }
  const keys = number(values.keys, "keys", 1);
  if (values.endpoints !== undefined && (values["test-km"] || values.km !== undefined)) {
    throw new UsageError("--endpoints: applications ask the product's own key managers");
  }
  const others = Object.keys(values).filter((name) => name !== "network" && name !== "json");
  if (values.network !== undefined && others.length > 0) {
    throw new UsageError(`--network goes with --json alone, not with --${others[0]}`);
  }
  const isLink = values.link === true || values["test-km"] === true || values.km !== undefined;
  const hurried = keys !== undefined || values.json === true;
  const keyBits = number(values["key-bits"], "key-bits", 64, mostKeyBits);
  if (keyBits !== undefined && keyBits % 8 !== 0) {
    throw new UsageError("--key-bits: expected a multiple of 8");
  }
  return {
    link: isLink,
    network: values.network,
    replay: values.replay === undefined ? undefined : [values.replay, ...positionals],
    seed: number(values.seed, "seed", 0),
    keys,
    endpoints: values.endpoints === undefined ? undefined : endpointsFile(values.endpoints),
    json: values.json ?? false,
    baud: number(values.baud, "baud", 0, mostBaud) ?? 115_200,
    blockIntervalMs:
      number(values["block-interval-ms"], "block-interval-ms", 1, mostIntervalMs) ??
      (hurried ? 1 : 1_000),
    blockBits: number(values["block-bits"], "block-bits", 64, mostBlockBits) ?? 8_192,
    keyBits,
    kmAt: kmsOf(values),
    testKm: values["test-km"] ?? false,
    patienceSeconds: number(values.patience, "patience", 1) ?? 60,
  };
}

/** Before anything starts, since it is written once all is up. @throws UsageError */
function endpointsFile(text: string): string {
  const file = resolve(text);
  const folder = dirname(file);
  if (text === "" || statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--endpoints: ${file} is a folder, not a file`);
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(`--endpoints: ${folder} cannot be written to: ${describe(error)}`);
  }
  return file;
}

/** @throws UsageError */
function kmsOf(values: ReturnType<typeof parse>["values"]): DemoOptions["kmAt"] {
  const { km: addresses = [], certificates, https = false } = values;
  const name = values["server-name"];
  if (addresses.length === 0) {
    if (certificates !== undefined || https || name !== undefined) {
      throw new UsageError("--certificates, --server-name and --https go with --km");
    }
    return {};
  }
  if (addresses.length > 2) throw new UsageError("--km: there are two ends only");
  if (certificates === undefined) {
    throw new UsageError("--km needs --certificates DIR (scripts/certificates DIR makes them)");
  }
  const folder = resolve(certificates);
  const kms = addresses.map((text, i): [EndName, KmAt] => {
    const { host, port } = readAddress(text, "--km");
    const end = endNames[i] as EndName;
    const file = (which: string) => {
      const path = `${folder}/${which}`;
      if (!existsSync(path)) throw new UsageError(`--certificates: ${path} is not there`);
      return path;
    };
    const files = {
      ca: file("ca.crt"),
      cert: file(`node-${end}.crt`),
      key: file(`node-${end}.key`),
    };
    return [
      end,
      { host, port, transport: https ? "https" : "tls", serverName: name ?? host, ...files },
    ];
  });
  return Object.fromEntries(kms);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        link: { type: "boolean" },
        network: { type: "string" },
        replay: { type: "string" },
        seed: { type: "string" },
        keys: { type: "string" },
        endpoints: { type: "string" },
        json: { type: "boolean" },
        baud: { type: "string" },
        "block-interval-ms": { type: "string" },
        "block-bits": { type: "string" },
        "key-bits": { type: "string" },
        km: { type: "string", multiple: true },
        "test-km": { type: "boolean" },
        certificates: { type: "string" },
        "server-name": { type: "string" },
        https: { type: "boolean" },
        patience: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
