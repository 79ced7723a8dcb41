/** `npm run fleet`: many lightweight nodes at one broker, measured. */
import { describe } from "../../src/base/errors.ts";
import { guardOutput } from "../tool.ts";
import { size, within } from "./figures.ts";
import { readOptions, UsageError, usage } from "./options.ts";
import { type FleetResult, held, runFleet } from "./run.ts";

const exit = { ok: 0, notHeld: 1, usage: 64, unavailable: 69 } as const;

const say = (line: string) => process.stdout.write(`${line}\n`);
const part = (value: number) => `${Math.round(value * 100)} %`;

function report(result: FleetResult): void {
  const { connecting, steady, storm, restart, nodes } = result;
  const row = (name: string, text: string) => say(`${name.padEnd(16)}${text}`);
  say("");
  row("nodes", `${nodes} at ${result.broker}, MQTT ${result.protocol === 5 ? "5" : "3.1.1"}`);
  row("online", `${connecting.online}: ${within(connecting.ms)}`);
  row("", `${connecting.attempts} attempts to connect`);
  row("messages", `${Math.round(steady.messagesPerSecond)} a second to a manager that hears all`);
  row("alarms", `${steady.alarms.count}: ${within(steady.alarms)}`);
  row("storm", `${storm.count} at once: ${within(storm)}`);
  if (restart !== undefined) {
    row("broker restart", `${restart.online} back: ${within(restart.ms)}`);
    row("", `${restart.attempts} attempts; ${restart.alarms.count} alarms raised meanwhile came`);
  }
  row(
    "lost",
    `${result.lost} alarms of ${result.raised}, ${result.missingEvents} events; ${result.repeats} repeats`,
  );
  if (result.unheard > 0) row("", `${result.unheard} came before the manager was back`);
  row("memory", `${size(result.bytesPerNode)} a node`);
  if (result.brokerBytesPerNode > 0) {
    row("", `${size(result.brokerBytesPerNode)} a node at the broker`);
    row("processor", `nodes ${part(steady.cpu)} of a core, broker ${part(steady.brokerCpu)}`);
  } else {
    row("processor", `nodes ${part(steady.cpu)} of a core`);
  }
  row("bytes", `${size(steady.bytesPerNodeDay)} a node and day, both ways`);
  row("retained", `${result.retainedPerNode.toFixed(1)} messages a node`);
}

async function main(args: readonly string[]): Promise<number> {
  guardOutput("fleet");
  try {
    const options = readOptions(args);
    if (options === "help") {
      process.stdout.write(usage);
      return exit.ok;
    }
    const progress = options.json ? (line: string) => process.stderr.write(`${line}\n`) : say;
    const result = await runFleet(options, progress);
    if (options.json) say(JSON.stringify(result));
    else report(result);
    return held(result) ? exit.ok : exit.notHeld;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`fleet: ${error.message} (--help tells more)\n`);
      return exit.usage;
    }
    process.stderr.write(`fleet: ${describe(error)}\n`);
    return exit.unavailable;
  }
}

process.exitCode = await main(process.argv.slice(2));
