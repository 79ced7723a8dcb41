/** The emulator's command line. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Fault } from "../../src/base/errors.ts";
import { whyNot } from "../../src/host/config/files.ts";
import { type Action, commandHelp, readCommand } from "./control/commands.ts";
import { readScenario, type Scenario } from "./control/scenario.ts";
import { number, oneOf, whole } from "./control/words.ts";
import type { TransportKind } from "./end.ts";
import { type Bb84, type PresetName, presets } from "./physics/bb84.ts";

/** A day, ms. Above 24.8 of them a timer of Node.js goes off at once. */
const mostIntervalMs = 86_400_000;

export class UsageError extends Error {}

export const usage = `scripts/emulator DIR [options]: a pair of emulated QKD modules
scripts/emulator send DIR COMMAND: tell a running pair something

Alice and Bob appear in DIR, which is made, and speak QMLP
(drivers/qmlp/README.md): as serial ports alice.tty and bob.tty, or as
--transport says. Point a node at each.

Key:
  --seed N                a reproducible stream of key (default: 1)
  --replay DIR [BOB_DIR]  recorded qcrypto output: a folder with alice/ and
                          bob/ in it, or the two folders
  --preset NAME           key and QBER follow from physics: ${Object.keys(presets).join(", ")}
  --km N                  length of the fibre (20)
  --loss-db N             loss beside the fibre's (0)
  --bob-efficiency N, --dark-counts N, --pulse-rate N, --misalignment N
                          instead of the preset's
  --no-drift              temperature and alignment stay as they are
  --block-interval-ms N   time between blocks (1000)
  --block-bits N          bits of a block of --seed (8192)
  --blocks N              end of the stream (none)
  --first N               number of the first block of --seed (0)
Line:
  --transport NAME        serial, pcie (DIR/alice_c2h_0, …), socket
                          (DIR/alice.sock)
  --baud N                line rate of serial, bit/s; 0 = unlimited (115200)
What happens:
  --fault COMMAND         done at the start; may be repeated
  --scenario FILE         commands at their times; shipped: day-with-eve,
                          satellite-pass, failing-detector
  --time-scale N          physics and scenario go N times as fast (1)
  --max-blocks N          blocks that a module holds (4096)
Output:
  --json                  one JSON object a line instead of text
  --help

Commands, also on standard input and on DIR/control.sock, one a line (in the
background of a terminal: on the latter alone, or with send):
${commandHelp().join("\n")}

Ctrl-C ends it and removes what it made. Exit codes: 0, 64 wrong command line,
65 recording or scenario is not good, 69 no PTY, or no emulator to send to, 74
the output cannot be written.
`;

export interface Options {
  readonly folder: string;
  readonly replay: readonly string[] | undefined;
  readonly seed: number;
  readonly link: { readonly name: PresetName; readonly params: Bb84 } | undefined;
  readonly km: number;
  readonly loss: number;
  readonly drift: boolean;
  readonly blockIntervalMs: number;
  readonly blockBits: number;
  readonly blocks: number | undefined;
  readonly first: number;
  readonly transport: TransportKind;
  readonly baud: number;
  readonly faults: readonly Action[];
  readonly scenario: Scenario | undefined;
  readonly timeScale: number;
  readonly maxBlocks: number;
  readonly json: boolean;
}

export type Parsed =
  | { readonly kind: "help" }
  | { readonly kind: "send"; readonly folder: string; readonly command: string }
  | { readonly kind: "run"; readonly options: Options };

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: text,
        replay: text,
        preset: text,
        km: text,
        "loss-db": text,
        "bob-efficiency": text,
        "dark-counts": text,
        "pulse-rate": text,
        misalignment: text,
        "no-drift": flag,
        "block-interval-ms": text,
        "block-bits": text,
        blocks: text,
        first: text,
        transport: text,
        baud: text,
        fault: { ...text, multiple: true },
        scenario: text,
        "time-scale": text,
        "max-blocks": text,
        json: flag,
        help: { ...flag, short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A file, or the name of one that ships. @throws Fault `config.value` */
function scenarioFile(name: string): Scenario {
  const shipped = fileURLToPath(new URL(`scenarios/${name}.txt`, import.meta.url));
  const file = /^[a-z-]+$/.test(name) && existsSync(shipped) ? shipped : name;
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    throw new Fault("config.value", `--scenario ${file}: cannot be read: ${whyNot(error)}`);
  }
  return readScenario(content, file);
}

/** @throws UsageError, or a Fault of a scenario that is not good */
export function parseOptions(args: string[]): Parsed {
  const { values, positionals } = parse(args);
  if (values.help) return { kind: "help" };
  if (positionals[0] === "send") {
    const [, folder, ...words] = positionals;
    if (folder === undefined || words.length === 0) throw new UsageError("send DIR COMMAND");
    return { kind: "send", folder, command: words.join(" ") };
  }
  const [folder, ...rest] = positionals;
  if (folder === undefined) throw new UsageError("which folder? scripts/emulator DIR");
  if (rest.length > (values.replay === undefined ? 0 : 1)) {
    throw new UsageError(`unexpected argument: ${rest.at(-1)}`);
  }
  const sources = [values.replay, values.preset].filter((one) => one !== undefined);
  if (sources.length > 1) throw new UsageError("--replay and --preset exclude each other");
  if (values.replay !== undefined && values.seed !== undefined) {
    throw new UsageError("--replay and --seed exclude each other");
  }
  const checked = <T>(name: keyof typeof values, standard: T, read: (word: string) => T): T => {
    const word = values[name];
    if (word === undefined) return standard;
    try {
      return read(String(word));
    } catch (error) {
      throw new UsageError(`--${name}: ${(error as Fault).message}`);
    }
  };
  const count = (name: keyof typeof values, standard: number, most = 2 ** 52) =>
    checked(name, standard, (word) => whole(word, 0, most));
  const real = (name: keyof typeof values, standard: number, least: number, most: number) =>
    checked(name, standard, (word) => number(word, least, most));
  const preset = checked("preset", undefined as PresetName | undefined, (word) =>
    oneOf(word, Object.keys(presets) as PresetName[]),
  );
  const base = preset && presets[preset];
  return {
    kind: "run",
    options: {
      folder,
      replay: values.replay === undefined ? undefined : [values.replay, ...rest],
      seed: count("seed", 1),
      link:
        preset === undefined || base === undefined
          ? undefined
          : {
              name: preset,
              params: {
                ...base,
                bobEfficiency: real("bob-efficiency", base.bobEfficiency, 0, 1),
                darkCounts: real("dark-counts", base.darkCounts, 0, 0.1),
                pulseRate: real("pulse-rate", base.pulseRate, 1, 1e11),
                misalignment: real("misalignment", base.misalignment, 0, 0.5),
              },
            },
      km: real("km", 20, 0, 1_000),
      loss: real("loss-db", 0, 0, 100),
      drift: values["no-drift"] !== true,
      blockIntervalMs: count("block-interval-ms", 1_000, mostIntervalMs),
      blockBits: count("block-bits", 8_192, 8_388_608),
      blocks: values.blocks === undefined ? undefined : count("blocks", 0),
      first: count("first", 0),
      transport: checked("transport", "serial" as TransportKind, (word) =>
        oneOf(word, ["serial", "pcie", "socket"]),
      ),
      baud: count("baud", 115_200, 1e9),
      faults: (values.fault ?? []).map((command) => {
        try {
          return readCommand(command);
        } catch (error) {
          throw new UsageError(`--fault: ${(error as Fault).message}`);
        }
      }),
      scenario: values.scenario === undefined ? undefined : scenarioFile(values.scenario),
      timeScale: real("time-scale", 1, 0.001, 1e6),
      maxBlocks: Math.max(1, count("max-blocks", 4_096, 1e6)),
      json: values.json === true,
    },
  };
}
