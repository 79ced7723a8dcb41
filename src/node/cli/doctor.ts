/** `qkd-node doctor`: looks for what is wrong, and says what to do. */

import { systemClock } from "../../base/clock.ts";
import { exit } from "../../base/exit-codes.ts";
import { progress } from "../../host/terminal/progress.ts";
import type { Report } from "../../ops/doctor/finding.ts";
import { reportLines } from "../../ops/doctor/tell.ts";
import { examine } from "../doctor/doctor.ts";
import type { Context } from "./context.ts";
import { configFile } from "./where.ts";

export async function run(context: Context): Promise<number> {
  const report = await consult(context);
  const { paint, width } = context.terminal;
  context.print(report, () => reportLines(report, paint, width));
  return report.status === "fail" ? exit.failed : exit.ok;
}

/** Has the doctor look at the node that is meant. */
export async function consult(context: Context, silent = false): Promise<Report> {
  const file = configFile(context.where);
  const bar = progress(process.stderr, process.env, !context.json && !silent);
  const { configure, readConfig } = await context.readers();
  try {
    return await examine(
      {
        file,
        load: () => configure(file),
        read: () => readConfig(file),
        ask: (name) => context.ask(name),
        clock: systemClock,
        proc: "/proc",
        sys: "/sys",
      },
      (what, done) => bar.show(done, what),
    );
  } finally {
    bar.end();
  }
}
