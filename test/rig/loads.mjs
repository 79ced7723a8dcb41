/**
 * Loaded into a process before its program (`NODE_OPTIONS=--import=…`): counts the files of the program as
 * Node.js loads them, has the process send itself a signal at the one that is named, and says in the end
 * what came when.
 *
 * LOADS_AT number of the file (from 1) at which the signal is sent, before the file is there;
 * LOADS_SIGNAL which (default SIGTERM); LOADS_FILE where the list of files goes.
 */
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

const { LOADS_AT = "0", LOADS_SIGNAL = "SIGTERM", LOADS_FILE } = process.env;
// Programs that the program starts are none of this.
delete process.env.NODE_OPTIONS;
let loaded = 0;
registerHooks({
  load(url, context, next) {
    if (/^file:.*\/(?:src|drivers)\/[^?]*\.ts$/.test(url)) {
      loaded++;
      if (LOADS_FILE !== undefined) appendFileSync(LOADS_FILE, `${url}\n`);
      if (loaded === Number(LOADS_AT)) process.kill(process.pid, LOADS_SIGNAL);
    }
    return next(url, context);
  },
});
