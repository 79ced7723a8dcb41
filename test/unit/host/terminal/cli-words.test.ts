import test from "ava";
import { counted, didYouMean, nearest } from "../../../../src/base/words.ts";
import { toAscii, wantsAscii } from "../../../../src/host/terminal/ascii.ts";
import { moment, timesOf, timeTitle } from "../../../../src/host/terminal/units.ts";
import { commands, optionsOf } from "../../../../src/node/cli/commands.ts";
import { parseGrep, parseSince, timeOfLine } from "../../../../src/ops/cli/since.ts";

test("one is one, and two are more", (t) => {
  t.is(counted(0, "key"), "0 keys");
  t.is(counted(1, "key"), "1 key");
  t.is(counted(1_234, "key"), "1 234 keys");
  t.is(counted(-1, "day"), "-1 day");
  t.is(counted(2, "entry", "entries"), "2 entries");
});

test("the nearest word is what was meant, and nothing is where none is near", (t) => {
  const known = commands.map(({ name }) => name);
  t.is(nearest("stauts", known), "status");
  t.is(nearest("ALARMS", known), "alarms");
  t.is(nearest("telem", known), "telemetry");
  t.is(nearest("self_test", known), "self-test");
  t.is(nearest("nonsense", known), undefined);
  t.is(nearest("x", known), undefined);
  t.is(nearest("", known), undefined);
  t.is(nearest("y".repeat(1e6), known), undefined);
  t.is(didYouMean("qer_high.alice", ["qber_high.alice"]), "; did you mean qber_high.alice?");
  t.is(didYouMean("constructor", known), "");
});

test("letters that a terminal has not got are written otherwise", (t) => {
  t.is(toAscii("a → b – c … · é Zürich ß 20 °C █░"), "a -> b - c ... . e Zurich ss 20 C #.");
  // Two columns each, as on a terminal that has them: what stands behind stays in its place.
  t.is(toAscii("日本 😀"), "???? ??");
  t.is(toAscii("\u001b[31mred\u001b[0m"), "\u001b[31mred\u001b[0m");
});

test("which letters there are is said by the first locale that is set", (t) => {
  t.true(wantsAscii({ LC_ALL: "C", LANG: "C.UTF-8" }, false));
  t.true(wantsAscii({ LC_CTYPE: "POSIX" }, true));
  t.true(wantsAscii({ LANG: "de_DE.ISO-8859-1" }, false));
  t.false(wantsAscii({ LC_ALL: "", LC_CTYPE: "en_US.UTF-8", LANG: "C" }, true));
  t.false(wantsAscii({ LANG: "en_US.utf8" }, true));
  t.true(wantsAscii({}, true));
  t.false(wantsAscii({}, false));
});

test("a time may be written in many ways", (t) => {
  const now = new Date(2026, 0, 31, 14, 30, 5).getTime();
  const at = (year: number, month: number, day: number, h = 0, m = 0) =>
    new Date(year, month, day, h, m).getTime();
  t.is(parseSince("10m", now), now - 600_000);
  t.is(parseSince("-2 h", now), now - 7_200_000);
  t.is(parseSince("3d ago", now), now - 3 * 86_400_000);
  t.is(parseSince("90s", now), now - 90_000);
  t.is(parseSince("today", now), at(2026, 0, 31));
  t.is(parseSince("yesterday", now), at(2026, 0, 30));
  t.is(parseSince("9:05", now), at(2026, 0, 31, 9, 5));
  t.is(parseSince("2026-01-30", now), at(2026, 0, 30));
  t.is(parseSince("2026-01-30 23:10", now), at(2026, 0, 30, 23, 10));
  t.is(parseSince("2026-01-30T23:10:11Z", now), Date.UTC(2026, 0, 30, 23, 10, 11));
  for (const text of ["", "never", "10", "25:00", "10:61", "2026-13-01", "2026-01-30 1", "1e3m"]) {
    t.is(parseSince(text, now), undefined, text);
  }
});

test("lines are looked through as journalctl does", (t) => {
  t.true(parseGrep("km")?.test("KM connected"));
  t.false(parseGrep("Km")?.test("KM connected"));
  t.is(parseGrep("("), undefined);
  t.is(timeOfLine("ts=2026-01-31T12:00:00.000Z level=info"), Date.UTC(2026, 0, 31, 12));
  t.is(timeOfLine("level=info ts=2026-01-31T12:00:00.000Z"), undefined);
  t.is(timeOfLine("ts=x level=info"), undefined);
});

test("times have their zone once, or each its own where it changes", (t) => {
  const [winter, later] = ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:01.500Z"];
  const zone = timesOf([winter, later]);
  t.is(typeof zone.zone, "string");
  t.regex(zone.show(winter), /^2026-0\d-\d\d \d\d:\d\d:00$/);
  t.is(timeTitle(zone), `TIME (${zone.zone})`);
  t.regex(moment(winter), /^2026-0\d-\d\d \d\d:\d\d:00(Z|[+-]\d\d:\d\d)$/);
  t.is(moment("nonsense"), "nonsense");
  t.is(timesOf([]).zone === undefined, false);
});

test("every option and command has what help and completion need, in 80 columns", (t) => {
  for (const command of commands) {
    for (const { about } of optionsOf(command)) t.true(about.length > 0 && !about.endsWith("."));
    t.true(
      command.examples.every((example) => example.length <= 76),
      command.name,
    );
    t.true((command.names ?? []).length <= Math.max(1, command.most ?? 1));
  }
});
