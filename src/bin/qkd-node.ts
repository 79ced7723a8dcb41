/**
 * `qkd-node`: what an operator types, and what systemd starts. A daemon's signals are caught before
 * anything that takes time to load: whenever it is told to stop, it stops in order.
 */
import { catchSignals, consoleSignals, daemonSignals } from "../host/life/signals.ts";

const args = process.argv.slice(2);
// Which command it is is known when it has been parsed; see `endBySignals` there.
if (args.includes("run")) catchSignals(daemonSignals);
else if (args.includes("console")) catchSignals(consoleSignals);
// No `await` here: the production build is CommonJS, which starts faster.
void import("../node/cli/dispatch.ts").then(({ begin }) =>
  begin(args, async () => (await import("./drivers.ts")).readers),
);
