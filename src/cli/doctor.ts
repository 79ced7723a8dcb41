/** `qkd-node doctor`: looks for what is wrong, and says what to do. */
import { examine } from "../doctor/doctor.ts";
import type { Finding, Report } from "../doctor/finding.ts";
import { exit } from "../exit-codes.ts";
import { configure, readConfig } from "../main.ts";
import { systemClock } from "../port/clock.ts";
import type { Context } from "./context.ts";
import { progress } from "./progress.ts";
import { table, wrap } from "./table.ts";
import { type Paint, tidy } from "./terminal.ts";
import { configFile } from "./where.ts";

export async function run(context: Context): Promise<number> {
  const report = await consult(context);
  const { paint, width } = context.terminal;
  context.print(report, () => lines(report, paint, width));
  return report.status === "fail" ? exit.failed : exit.ok;
}

/** Has the doctor look at the node that is meant. */
export async function consult(context: Context): Promise<Report> {
  const file = configFile(context.where);
  const bar = progress(process.stderr, process.env, !context.json);
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

export function lines({ checks, first }: Report, paint: Paint, width: number): string[] {
  const words = {
    ok: paint.good("ok"),
    warn: paint.warn("warn"),
    fail: paint.bad("FAIL"),
    skip: paint.dim("–"),
  };
  const rows = checks.flatMap(({ status, title, detail, advice }) => [
    [words[status], tidy(title), tidy(detail)],
    ...(advice === undefined ? [] : [["", "", `→ ${tidy(advice)}`]]),
  ]);
  const count = (status: Finding["status"]) => checks.filter((one) => one.status === status).length;
  const begin = checks.find(({ id }) => id === first);
  const summary =
    begin === undefined
      ? paint.good("nothing is wrong")
      : `${count("fail")} failed, ${count("warn")} to look at; begin with: ${paint.bold(begin.title)}`;
  return [
    ...table([{ title: "" }, { title: "" }, { title: "" }], rows, width),
    "",
    ...wrap(summary, width),
  ];
}
