/** `scripts/emulator`: the module pair as a program. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/port/clock.ts";
import { describe, Fault } from "../../src/port/errors.ts";
import { EmulatedPair, type PairEnd } from "./pair.ts";
import { replaySource } from "./source/replay.ts";
import { seedSource } from "./source/seed.ts";
import type { BlockSource } from "./source/source.ts";

/** Of sysexits.h. */
const exitCodes = { ok: 0, usage: 64, data: 65, unavailable: 69 } as const;

class UsageError extends Error {}

const usage = `scripts/emulator DIR [options]: a pair of emulated QKD modules

Alice and Bob appear as serial ports DIR/alice.tty and DIR/bob.tty and speak
QMLP (drivers/qmlp/README.md). Point a node at each: driver kind "qmlp".

  --seed N                a reproducible stream of key (default: 1)
  --replay DIR [BOB_DIR]  recorded qcrypto output: a folder with alice/ and
                          bob/ in it, or the two folders
  --baud N                line rate, bit/s; 0 = unlimited (115200)
  --block-interval-ms N   time between blocks (1000)
  --block-bits N          bits of a block of --seed (8192)
  --blocks N              end of the stream of --seed (none)
  --first N               number of the first block of --seed (0)
  --json                  one JSON object a line instead of text
  --help

Ctrl-C ends it and removes the ports. Exit codes: 0, 64 wrong command line,
65 the recording is not good, 69 no PTY.
`;

function whole(values: Record<string, unknown>, name: string, standard: number): number {
  const text = values[name];
  if (text === undefined) return standard;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new UsageError(`--${name}: expected a whole number, 0 or more`);
  }
  return value;
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: text,
        replay: text,
        baud: text,
        "block-interval-ms": text,
        "block-bits": text,
        blocks: text,
        first: text,
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function createSource(values: Record<string, unknown>, rest: readonly string[]): BlockSource {
  const { replay } = values;
  if (typeof replay === "string") {
    if (values.seed !== undefined) throw new UsageError("--replay and --seed exclude each other");
    return replaySource([replay, ...rest]);
  }
  return seedSource({
    seed: whole(values, "seed", 1),
    blockBits: whole(values, "block-bits", 8_192),
    blocks: values.blocks === undefined ? undefined : whole(values, "blocks", 0),
    first: whole(values, "first", 0),
    clock: systemClock,
  });
}

function endState({ module, port }: PairEnd) {
  const blocks = [...module.history.values()];
  return {
    port: port.path,
    session: module.state,
    held: module.heldBlocks,
    released: blocks.filter((block) => block.released).length,
  };
}

function run(folder: string, rest: readonly string[], values: Record<string, unknown>): void {
  const source = createSource(values, rest);
  const pair = new EmulatedPair({
    folder: resolve(folder),
    baud: whole(values, "baud", 115_200),
    source,
    blockIntervalMs: whole(values, "block-interval-ms", 1_000),
    clock: systemClock,
  });
  const say = (text: string) => process.stdout.write(`${text}\n`);
  if (!values.json) say(`${source.name}: ${pair.alice.port.path} and ${pair.bob.port.path}`);
  const timer = setInterval(() => {
    const alice = endState(pair.alice);
    const bob = endState(pair.bob);
    if (values.json) {
      say(
        JSON.stringify({ distilled: pair.distilledBlocks, bits: pair.distilledBits, alice, bob }),
      );
      return;
    }
    const end = ({ session, held, released }: typeof alice) =>
      `${session}, ${held} held, ${released} released`;
    say(`${pair.distilledBlocks} blocks distilled | alice ${end(alice)} | bob ${end(bob)}`);
  }, 1_000);
  const stop = () => {
    clearInterval(timer);
    pair.close();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  // Whoever read the lines is gone.
  process.stdout.on("error", stop);
}

function main(args: string[]): number {
  const complain = (text: string) => process.stderr.write(`emulator: ${text}\n`);
  try {
    const { values, positionals } = parse(args);
    if (values.help) {
      process.stdout.write(usage);
      return exitCodes.ok;
    }
    const [folder, ...rest] = positionals;
    if (folder === undefined) throw new UsageError("which folder? scripts/emulator DIR");
    if (rest.length > (values.replay === undefined ? 0 : 1)) {
      throw new UsageError(`unexpected argument: ${rest.at(-1)}`);
    }
    run(folder, rest, values);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (scripts/emulator --help tells more)`);
      return exitCodes.usage;
    }
    complain(describe(error));
    return error instanceof Fault && error.code === "key.invalid"
      ? exitCodes.data
      : exitCodes.unavailable;
  }
}

process.exitCode = main(process.argv.slice(2));
