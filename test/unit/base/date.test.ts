import test from "ava";
import { parseDate } from "../../../src/base/date.ts";
import { parseSince } from "../../../src/ops/cli/since.ts";

test("a day that no month has is no date", (t) => {
  for (const text of [
    "2026-02-29T00:00:00Z",
    "2026-02-31T12:00:00+23:59",
    "2026-11-31T00:00:00Z",
  ]) {
    t.true(Number.isNaN(parseDate(text)), text);
  }
  t.is(parseDate("2028-02-29T00:00:00Z"), Date.UTC(2028, 1, 29));
  t.is(parseDate("2026-12-31T23:59:59Z"), Date.UTC(2026, 11, 31, 23, 59, 59));
  t.true(Number.isNaN(parseDate("soon")));
  t.is(parseSince("2026-02-31", 0), undefined);
  t.is(parseSince("2026-02-31T10:00Z", 0), undefined);
  t.is(parseSince("2026-02-28T10:00Z", 0), Date.UTC(2026, 1, 28, 10));
});
