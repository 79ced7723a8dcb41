/** The command line of `npm run conform:module`. */
import { flag, instead, type Telling, tellingOf, text, typed, UsageError } from "./program.ts";

export const usage = `npm run conform:module -- --device WHERE [options]
does this module keep its promises?

Speaks with a module as a node does, through the node's own driver, and says
what of it the module got wrong. A case is a line; the last line counts.
Blocks are released, and so are gone: take a module whose key nobody needs.

  --device WHERE       /dev/ttyUSB0, /dev/xdma0, tcp:HOST:PORT, unix:PATH:
                       whatever \`qkd-node probe\` knows
  --baud N             line rate of a serial port (921600)
  --control COMMAND    a program that tells the module what to do: then the
                       whole suite for drivers runs, which needs blocks made to
                       order, a pulled cable and frames gone wrong
                       (drivers/README.md)
  --wait SECONDS       a block must come within this time (30)
  --discard            may destroy a block
  --zeroize            may destroy all key in the module
  --only ID            this case only; may be repeated
  --list               print the cases and end
  --strict             what a module should do is what it must do
  --json               one JSON object instead of lines
  --help

Exit codes: 0 the module does all it must, 1 it does not, 64 wrong command line,
69 nothing answers, 74 the output cannot be written.
`;

export interface ModuleOptions extends Telling {
  readonly device: string;
  readonly baud: number;
  readonly control: string | undefined;
  readonly waitMs: number;
  readonly discard: boolean;
  readonly zeroize: boolean;
}

function number(text: string | undefined, standard: number, name: string, most: number): number {
  if (text === undefined) return standard;
  const value = Number(text);
  if (value > 0 && value <= most) return value;
  throw new UsageError(`--${name}: expected a number, up to ${most}`);
}

const options = {
  device: text,
  baud: text,
  control: text,
  wait: text,
  discard: flag,
  zeroize: flag,
} as const;

/** @throws UsageError */
export function readOptions(args: readonly string[]): ModuleOptions | "help" | "list" {
  const values = typed(args, options);
  const other = instead(values);
  if (other !== undefined) return other;
  if (values.device === undefined) throw new UsageError("--device is needed");
  return {
    device: values.device,
    baud: number(values.baud, 921_600, "baud", 50_000_000),
    control: values.control,
    waitMs: number(values.wait, 30, "wait", 3_600) * 1_000,
    discard: values.discard,
    zeroize: values.zeroize,
    ...tellingOf(values),
  };
}
