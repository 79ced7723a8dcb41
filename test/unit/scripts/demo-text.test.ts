/** What pictures of the show are made of: letters, states, commands that fit. */
import test from "ava";
import {
  asTold,
  colours,
  commands,
  fitted,
  noColours,
  withoutBars,
} from "../../../scripts/demo/text.ts";
import { toAscii } from "../../../src/host/terminal/ascii.ts";

test("what a node told last is no state once it is away", (t) => {
  t.is(asTold("UP", true, true, colours).paint("UP"), colours.good("UP"));
  t.is(asTold("DOWN", false, true, colours).paint("DOWN"), colours.bad("DOWN"));
  const { text, paint } = asTold("UP", true, false, colours);
  t.is(paint(text), colours.dim("–"));
});

test("bars and lines have signs in ASCII, as many", (t) => {
  const picture = "ALICE ════ BOB ▁▂▃▄▅▆▇█ Alice–Bob";
  const plain = toAscii(withoutBars(picture));
  t.is(plain, "ALICE ==== BOB ._-=+*%# Alice-Bob");
  t.is(plain.length, picture.length);
});

test("a command for which there is no room is left out whole, the last first", (t) => {
  const long = `curl --cacert /tmp/${"a".repeat(50)} --cert /tmp/${"b".repeat(50)} https://km/`;
  const lines = commands(["open http://page/", `status ${"c".repeat(60)}`, long], noColours);
  const shown = (rows: number) => fitted(lines, { rows, columns: 80 }).map((line) => line.trim());
  t.regex(shown(24).at(-1) ?? "", / https:\/\/km\/$/);
  for (let rows = 2; rows < 24; rows++) {
    t.notRegex(shown(rows).at(-1) ?? "", /\\$/, `${rows} rows`);
  }
  t.deepEqual(shown(2), ["open http://page/"]);
});
