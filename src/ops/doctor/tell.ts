/** The doctor's report as lines for a person. */

import { table, wrap } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import type { Finding, Report } from "./finding.ts";
import { healthLines } from "./health.ts";

export function reportLines(
  { checks, first, supply, t }: Report,
  paint: Paint,
  width: number,
): string[] {
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
      : `${count("fail")} failed, ${count("warn")} to look at; begin with: ${paint.bold(tidy(begin.title))}`;
  const head = supply === undefined ? [] : [...healthLines(supply, t, paint, width), ""];
  return [
    ...head,
    ...table([{ title: "" }, { title: "" }, { title: "" }], rows, width),
    "",
    ...wrap(summary, width),
  ];
}
