/** `scripts/emulator`: the module pair as a program. */
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { guardOutput } from "../../scripts/tool.ts";
import { systemClock } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { fasterClock, play } from "./control/scenario.ts";
import { ControlServer, eachLine, obey, send } from "./control/server.ts";
import type { PairEnd } from "./end.ts";
import { type Options, parseOptions, UsageError, usage } from "./options.ts";
import { EmulatedPair } from "./pair.ts";
import { PhysicalLink } from "./physics/link.ts";
import { physicsSource } from "./source/physics.ts";
import { replaySource } from "./source/replay.ts";
import { seedSource } from "./source/seed.ts";
import type { BlockSource } from "./source/source.ts";

/** Of sysexits.h. */
const exitCodes = { ok: 0, usage: 64, data: 65, unavailable: 69 } as const;

function createSource(options: Options, link: PhysicalLink | undefined): BlockSource {
  const { replay, seed, blocks, blockBits, first, blockIntervalMs, timeScale } = options;
  if (replay !== undefined) return replaySource(replay);
  if (link === undefined) return seedSource({ seed, blockBits, blocks, first, clock: systemClock });
  const name = `${options.link?.name}, ${options.km} km, seed ${seed}`;
  const seconds = (Math.max(1, blockIntervalMs) / 1_000) * timeScale;
  return physicsSource({ name, link, seed, seconds, blocks, clock: systemClock });
}

function endState({ module, port }: PairEnd) {
  const blocks = [...module.history.values()];
  return {
    port: port.path,
    session: port.plugged ? module.state : "unplugged",
    held: module.heldBlocks,
    released: blocks.filter((block) => block.released).length,
  };
}

/** Whether a terminal's shell has this process in the background: who reads the terminal then is stopped. */
function isInBackground(): boolean {
  if (!process.stdin.isTTY) return false;
  try {
    // After the name, which may have anything in it: state, parent, process group, session, terminal, its group.
    const [, , group, , , foreground] = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return group !== foreground;
  } catch {
    return false;
  }
}

function run(options: Options): void {
  const { folder, link: physics, km, loss, seed, drift, json } = options;
  const link = physics && new PhysicalLink(physics.params, { km, loss }, seed, drift);
  const source = createSource(options, link);
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const tell = (text: string) => say(json ? JSON.stringify({ message: text }) : text);
  let stopScenario: (() => void) | undefined;
  mkdirSync(folder, { recursive: true });
  const pair = new EmulatedPair({
    folder: resolve(folder),
    transport: options.transport,
    baud: options.baud,
    source,
    ...(link !== undefined && { link }),
    blockIntervalMs: options.blockIntervalMs,
    maxBlocks: options.maxBlocks,
    seed,
    clock: systemClock,
    prepare(plugged) {
      if (!json) say(`${source.name}: ${plugged.alice.port.path} and ${plugged.bob.port.path}`);
      for (const fault of options.faults) tell(fault(plugged));
      const faster = fasterClock(systemClock, options.timeScale);
      stopScenario =
        options.scenario &&
        play(options.scenario, faster, ({ text, action }) => {
          tell(`scenario: ${text}: ${action(plugged)}`);
        });
    },
  });
  const control = new ControlServer(join(resolve(folder), "control.sock"), pair);
  if (!isInBackground()) eachLine(process.stdin, (line) => tell(obey(pair, line)));
  const timer = setInterval(() => {
    const alice = endState(pair.alice);
    const bob = endState(pair.bob);
    const { distilledBlocks, distilledBits, overflowed } = pair;
    const qber = link?.now.qber;
    const rate = link?.now.secretKeyRate;
    if (json) {
      const figures = { distilled: distilledBlocks, bits: distilledBits, overflowed, qber, rate };
      say(JSON.stringify({ ...figures, alice, bob }));
      return;
    }
    const end = ({ session, held, released }: typeof alice) =>
      `${session}, ${held} held, ${released} released`;
    const quality =
      qber === undefined ? "" : ` | QBER ${(qber * 100).toFixed(2)} %, ${rate?.toFixed(0)} bit/s`;
    say(`${distilledBlocks} blocks distilled${quality} | alice ${end(alice)} | bob ${end(bob)}`);
  }, 1_000);
  const stop = () => {
    clearInterval(timer);
    stopScenario?.();
    control.close();
    pair.close();
    process.stdin.destroy();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  // Whoever read the lines is gone.
  process.stdout.on("error", stop);
}

async function main(args: string[]): Promise<number> {
  const complain = (text: string) => process.stderr.write(`emulator: ${text}\n`);
  try {
    const parsed = parseOptions(args);
    if (parsed.kind === "help") {
      guardOutput("emulator");
      process.stdout.write(usage);
    } else if (parsed.kind === "send") {
      guardOutput("emulator");
      const answer = await send(join(resolve(parsed.folder), "control.sock"), parsed.command);
      process.stdout.write(`${answer}\n`);
      return answer.startsWith("ok") ? exitCodes.ok : exitCodes.usage;
    } else {
      run(parsed.options);
    }
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (scripts/emulator --help tells more)`);
      return exitCodes.usage;
    }
    complain(describe(error));
    const data = error instanceof Fault && /^(key|config)\./.test(error.code);
    return data ? exitCodes.data : exitCodes.unavailable;
  }
}

process.exitCode = await main(process.argv.slice(2));
