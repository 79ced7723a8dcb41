/** `qkd-controller`: what an operator types, and what systemd starts. */
import { catchSignals, daemonSignals } from "../host/life/signals.ts";

const args = process.argv.slice(2);
if (args.includes("run")) catchSignals(daemonSignals);
// No `await` here: the production build is CommonJS.
void import("../controller/cli/dispatch.ts").then(({ begin }) => begin(args));
