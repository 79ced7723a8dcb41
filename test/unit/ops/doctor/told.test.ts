/** What the doctor says to a person, of names that others chose. */
import test from "ava";
import { noColours } from "../../../../src/host/terminal/terminal.ts";
import { conclude, warn } from "../../../../src/ops/doctor/finding.ts";
import { reportLines } from "../../../../src/ops/doctor/tell.ts";

test("no name is obeyed by the terminal, also where it is said with what to begin", (t) => {
  const hostile = "link a--\u001b[2J\u009b1A\u202e";
  const found = warn(["link.x", hostile], hostile, hostile);
  const report = conclude([found], { t: "2026-01-31T12:00:00Z", running: true });
  const lines = reportLines(report, noColours, 80).join("|");
  t.true(lines.includes("begin with: link a--·[2J·1A·"));
  t.notRegex(lines, /[\p{Cc}\p{Cf}]/u);
});
