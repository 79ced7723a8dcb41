/** `qkd-panel`: signals are caught before anything that takes time to load. */
import { catchSignals, daemonSignals } from "../host/life/signals.ts";

catchSignals({ ...daemonSignals, ignored: [] });
// No `await` here: the production build is CommonJS.
void import("./panel-process.ts").then(({ begin }) => begin(process.argv.slice(2)));
