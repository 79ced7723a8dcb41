/** What hurries the next cycle of a store. */
import test from "ava";
import { isUrgent } from "../../../../src/km/io/engine/operation.ts";
import type { Row } from "../../../../src/km/store/port.ts";

const commits = (...rows: Row[]) => isUrgent({ type: "commit", change: { rows }, done: undefined });
const row = (kind: Row["kind"], value?: Buffer): Row => ({ kind, link: "ab", key: "1", value });

test("a key on its way to an application is urgent; stock, and what is forgotten of a key, are not", (t) => {
  t.true(commits(row("link", Buffer.from("{}")), row("use", Buffer.of(1))));
  t.true(commits(row("use"), row("use", Buffer.of(1))));
  t.false(commits(row("use"), row("link", Buffer.from("{}"))));
  t.false(commits(row("extent", Buffer.from("{}"))));
  t.false(commits());
  const rows = [row("use", Buffer.of(1))];
  t.false(isUrgent({ type: "commit", change: { rows, canWait: true }, done: undefined }));
});
