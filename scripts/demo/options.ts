/** The command line of `npm start`. */
import { parseArgs } from "node:util";

export class UsageError extends Error {}

export interface DemoOptions {
  /** One folder with `alice` and `bob` in it, or the two. */
  readonly replay: readonly string[] | undefined;
  readonly seed: number | undefined;
  /** End once both KMs hold that many keys. */
  readonly keys: number | undefined;
  /** One JSON object on standard output at the end. */
  readonly json: boolean;
  readonly baud: number;
  readonly blockIntervalMs: number;
  readonly blockBits: number;
  readonly keyBits: number | undefined;
  /** Give up after this long without a new key, s. */
  readonly patienceSeconds: number;
}

export const usage = `npm start -- [options]: a whole QKD link on this machine

Two emulated modules over virtual serial ports, two nodes, Kq-1 with mutual TLS
1.3, two KMs, an MQTT broker. Ctrl-C ends it and leaves nothing behind.

  --replay DIR [BOB_DIR]  recorded qcrypto output: a folder with alice/ and
                          bob/ in it, or the two folders
  --seed N                a reproducible stream of key
                          (default: all recordings, then seed 1)
  --keys N                end once both KMs hold N keys, identical at both ends
  --json                  print one JSON object at the end; with --replay it
                          ends when the recording is exhausted
  --baud N                line rate, bit/s; 0 = unlimited (115200)
  --block-interval-ms N   time between blocks (1000; with --keys or --json 1)
  --block-bits N          bits of a block of --seed (8192)
  --key-bits N            cut blocks into QKD-keys of N bits (default: whole)
  --patience SECONDS      give up when no key arrives for so long (60)
  --help

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
  const hurried = keys !== undefined || values.json === true;
  const keyBits = number(values["key-bits"], "key-bits", 64);
  if (keyBits !== undefined && keyBits % 8 !== 0) {
    throw new UsageError("--key-bits: expected a multiple of 8");
  }
  return {
    replay: values.replay === undefined ? undefined : [values.replay, ...positionals],
    seed: number(values.seed, "seed", 0),
    keys,
    json: values.json ?? false,
    baud: number(values.baud, "baud", 0) ?? 115_200,
    blockIntervalMs:
      number(values["block-interval-ms"], "block-interval-ms", 1) ?? (hurried ? 1 : 1_000),
    blockBits: number(values["block-bits"], "block-bits", 64) ?? 8_192,
    keyBits,
    patienceSeconds: number(values.patience, "patience", 1) ?? 60,
  };
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
        json: { type: "boolean" },
        baud: { type: "string" },
        "block-interval-ms": { type: "string" },
        "block-bits": { type: "string" },
        "key-bits": { type: "string" },
        patience: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
