import test, { type ExecutionContext } from "ava";
import { LogView } from "../../../../src/node/cli/log-view.ts";

/** As on a terminal with this zone. */
function inZone(t: ExecutionContext, zone: string): LogView {
  const before = process.env.TZ;
  process.env.TZ = zone;
  t.teardown(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  return new LogView();
}

const line = (ts: string, msg: string) => `ts=${ts} level=info at=node msg="${msg}"`;

test.serial("lines have the terminal's time, and its zone once", (t) => {
  const view = inZone(t, "Asia/Tokyo");
  const first = [
    line("2026-01-31T12:00:00.125Z", "starting"),
    line("2026-01-31T16:00:01.000Z", "a"),
  ];
  t.deepEqual(view.show(first), [
    "TIME (UTC+09:00)",
    '2026-01-31 21:00:00.125  level=info at=node msg="starting"',
    '2026-02-01 01:00:01.000  level=info at=node msg="a"',
  ]);
  // What follows.
  t.deepEqual(view.show([line("2026-01-31T16:00:02.000Z", "b")]), [
    '2026-02-01 01:00:02.000  level=info at=node msg="b"',
  ]);
});

test.serial(
  "where the clock is changed each line says its zone; and later the new one is told",
  (t) => {
    const view = inZone(t, "Europe/Zurich");
    const [before, after] = ["2026-03-29T00:59:59.500Z", "2026-03-29T01:00:00.500Z"];
    t.is(view.show([line(before, "a")])[0], "TIME (UTC+01:00)");
    t.deepEqual(view.show([line(before, "a"), line(after, "b")]), [
      "TIME",
      '2026-03-29 01:59:59.500+01:00  level=info at=node msg="a"',
      '2026-03-29 03:00:00.500+02:00  level=info at=node msg="b"',
    ]);
    t.is(view.show([line(after, "c")])[0], "TIME (UTC+02:00)");
  },
);

test.serial("a line without a time stays as it is, and without any there is no title", (t) => {
  const view = inZone(t, "UTC");
  const odd = [
    'level=info msg="x"',
    "ts=never level=info",
    "",
    "Error: at ts=2026-01-31T12:00:00Z ",
  ];
  t.deepEqual(view.show(odd), odd);
  t.deepEqual(view.show([]), []);
  const [title, ...lines] = view.show([...odd, line("2026-01-31T12:00:00.000Z", "y")]);
  t.is(title, "TIME (UTC)");
  t.deepEqual(lines.slice(0, -1), odd);
});
