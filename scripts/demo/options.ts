/** The command line of `npm start`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type EndName, endNames, type KmAt } from "../../test/rig/rig.ts";
import { readAddress } from "../conform/km-options.ts";
import { UsageError } from "../conform/program.ts";

export { UsageError };

export interface DemoOptions {
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

export const usage = `npm start -- [options]: a whole QKD link on this machine

Two emulated modules over virtual serial ports, two nodes, Kq-1 with mutual TLS
1.3, two key managers and the link between them, an application at each end that
asks for keys (ETSI GS QKD 014), an MQTT broker. Keys at the bottom of the screen cut the fibre, start an eavesdropper and more. Ctrl-C ends it and
leaves nothing behind.

  --replay DIR [BOB_DIR]  recorded qcrypto output: a folder with alice/ and
                          bob/ in it, or the two folders
  --seed N                a reproducible stream of key
                          (default: a recording, then a simulated fibre)
  --keys N                end once both KMs have compared N keys
  --endpoints FILE        write to FILE where applications may ask for keys, and
                          with which certificates, once all is up (JSON)
  --json                  print one JSON object at the end; with --replay it
                          ends when the recording is exhausted
  --baud N                line rate, bit/s; 0 = unlimited (115200)
  --block-interval-ms N   time between blocks (1000; with --keys or --json 1)
  --block-bits N          bits of a block of --seed (8192)
  --key-bits N            cut blocks into QKD-keys of N bits (default: whole)
  --test-km               test doubles instead of the two key managers
  --km HOST:PORT          your own KM instead of the one of Alice's end; a second
                          --km: of Bob's end (docs/test-your-km.md)
  --certificates DIR      for --km: what scripts/certificates made
  --server-name NAME      for --km: the name in the KM's certificate (HOST)
  --https                 for --km: Kq-1 over HTTPS instead of TCP
  --patience SECONDS      give up when no key arrives for so long (60)
  --help

Recordings: test/fixtures/qcrypto/*; that of 12.5 % QBER has no key in it.
Exit codes: 0 done, 1 keys differ or did not arrive, 64 wrong command line.
`;

function number(text: string | undefined, name: string, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name}: expected a whole number, ${least} or more`);
  }
  return value;
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
  const hurried = keys !== undefined || values.json === true;
  const keyBits = number(values["key-bits"], "key-bits", 64);
  if (keyBits !== undefined && keyBits % 8 !== 0) {
    throw new UsageError("--key-bits: expected a multiple of 8");
  }
  return {
    replay: values.replay === undefined ? undefined : [values.replay, ...positionals],
    seed: number(values.seed, "seed", 0),
    keys,
    endpoints: values.endpoints === undefined ? undefined : resolve(values.endpoints),
    json: values.json ?? false,
    baud: number(values.baud, "baud", 0) ?? 115_200,
    blockIntervalMs:
      number(values["block-interval-ms"], "block-interval-ms", 1) ?? (hurried ? 1 : 1_000),
    blockBits: number(values["block-bits"], "block-bits", 64) ?? 8_192,
    keyBits,
    kmAt: kmsOf(values),
    testKm: values["test-km"] ?? false,
    patienceSeconds: number(values.patience, "patience", 1) ?? 60,
  };
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
