/** `npm start`: a QKD network of three nodes on this machine, or a link, and a look at it. */
import { ConfigError } from "../../src/host/config/problems.ts";
import { openTerminal } from "../../src/host/terminal/terminal.ts";
import { catchInterruption } from "./interruption.ts";
import { type DemoOptions, readOptions, UsageError, usage } from "./options.ts";
import { reason } from "./output.ts";

const say = (text: string) => process.stderr.write(`${text}\n`);

/** What a demo needs is loaded when the command line is good: it takes half a second. */
async function begin(options: DemoOptions): Promise<number> {
  // Before anything is started, and before that half second.
  const interrupted = catchInterruption();
  const stop = interrupted.signal;
  if (options.network !== undefined) {
    const { performNetwork } = await import("./network/perform.ts");
    return performNetwork(options.network, options, stop);
  }
  const { perform } = await import("./perform.ts");
  if (options.link) {
    const { beginLink } = await import("./link.ts");
    return perform(options, interrupted, (begun, warnings) =>
      beginLink(options, begun, stop, warnings),
    );
  }
  const { beginRow } = await import("./row/row.ts");
  return perform(options, interrupted, (begun, warnings) =>
    beginRow(options, begun, stop, warnings),
  );
}

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options === "help") {
      // A disk that is full is told in words.
      openTerminal(process.stdout, process.stderr, process.env, "npm start").pass(usage.trimEnd());
      return 0;
    }
    return await begin(options);
  } catch (error) {
    if (error instanceof UsageError) {
      say(`npm start: ${error.message} (npm start -- --help tells more)`);
      return 64;
    }
    if (error instanceof ConfigError) {
      for (const problem of error.located) say(`npm start: ${problem}`);
      return 64;
    }
    say(`npm start: ${reason(error)}`);
    return 1;
  }
}

process.exitCode = await main();
