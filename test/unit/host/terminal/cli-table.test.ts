import test from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { toAscii } from "../../../../src/host/terminal/ascii.ts";
import { facts, table, wrap } from "../../../../src/host/terminal/table.ts";
import { openTerminal, tidy, visible } from "../../../../src/host/terminal/terminal.ts";
import {
  bytes,
  duration,
  figure,
  percent,
  rate,
  whole,
} from "../../../../src/host/terminal/units.ts";
import { flatten, redactedTable } from "../../../../src/node/config/redact.ts";
import { configSchema } from "../../../../src/node/config/schema.ts";
import { LogRing } from "../../../../src/ops/local/log-ring.ts";

test("beside long names there is no room for a text: it is put below them", (t) => {
  const name = `way to KM km-${"p".repeat(40)}`;
  const rows = [
    ["FAIL", name, "192.0.2.7 port 9443: connection refused"],
    ["", "", "→ the machine is there: is the program on it running, on this port?"],
    ["ok", "clock", "good"],
    ["ok", "state folder", "/var/lib/qkd-km/a-folder-of-its-own, of qkd-km, mode 700"],
  ];
  const columns = [{ title: "" }, { title: "" }, { title: "" }];
  t.deepEqual(table(columns, rows, 80), [
    `FAIL  ${name}`,
    "    192.0.2.7 port 9443: connection refused",
    "    → the machine is there: is the program on it running, on this port?",
    `ok    clock${" ".repeat(name.length - 5)}  good`,
    "ok    state folder",
    "    /var/lib/qkd-km/a-folder-of-its-own, of qkd-km, mode 700",
  ]);
});

test("a table keeps to its width: the last column is wrapped", (t) => {
  const rows = [
    ["a", "1", "one two three four five six"],
    ["long name", "20", "x".repeat(30)],
  ];
  const lines = table([{ title: "NAME" }, { title: "N", right: true }, { title: "" }], rows, 28);
  t.deepEqual(lines, [
    "NAME        N",
    "a           1  one two three",
    "               four five six",
    "long name  20  xxxxxxxxxxxxx",
    "               xxxxxxxxxxxxx",
    "               xxxx",
  ]);
  t.deepEqual(wrap("", 10), [""]);
  // Names that are too long are cut where their parts end.
  t.deepEqual(wrap("alarm=certificate_expiring.module.link.kme up", 30), [
    "alarm=certificate_expiring.",
    "module.link.kme up",
  ]);
  t.deepEqual(wrap("a.bcdefghijklmnop", 8), ["a.bcdefg", "hijklmno", "p"]);
  t.deepEqual(
    facts(
      [
        ["a", "b"],
        ["", ""],
      ],
      20,
      2,
    ),
    ["  a  b", ""],
  );
});

test("a letter takes the columns that a terminal gives it, and is never cut in two", (t) => {
  const family = "👨‍👩‍👧";
  t.deepEqual(
    ["km-é", "e\u0301", "東京", "한국", "🔑", "⚠️", "⚠", family, "🇩🇪", "→", "ｋｍ"].map(visible),
    [4, 1, 4, 4, 2, 2, 1, 2, 2, 1, 4],
  );
  t.deepEqual(
    table(
      [{ title: "KM" }, { title: "STATE" }],
      [
        ["東京", "up"],
        ["paris", "down"],
      ],
      80,
    ),
    ["KM     STATE", "東京   up", "paris  down"],
  );
  t.deepEqual(wrap("🔑".repeat(5), 5), ["🔑🔑", "🔑🔑", "🔑"]);
  t.deepEqual(wrap(family.repeat(3), 4), [family.repeat(2), family]);
  t.deepEqual(wrap("東.京都市", 5), ["東.", "京都", "市"]);
  t.is(toAscii(`東京 ${family} Zürich e\u0301 → 20 °`), "???? ?? Zurich e -> 20 ");
});

test("no line of a table is wider than the terminal, however long its names are", (t) => {
  const titles = ["LINK", "TO", "STATE", "STOCK"];
  const columns = titles.map((title) => ({ title, right: title === "STOCK" }));
  for (const width of [40, 80]) {
    for (const name of ["x".repeat(128), "東".repeat(64), "🔑".repeat(64)]) {
      const rows = [
        [name, name, "ready", "1 Mbit"],
        ["a", "b", "down", "0 bit"],
      ];
      const lines = table(columns, rows, width);
      for (const line of lines) t.true(visible(line) <= width, line);
      t.deepEqual(lines.slice(-5), ["", "LINK   a", "TO     b", "STATE  down", "STOCK  0 bit"]);
      const untitled = [{ title: "" }, { title: "" }, { title: "" }];
      const told = [
        ["ok", name, "good"],
        ["ok", "clock", "good"],
        ["", name, ""],
      ];
      for (const line of table(untitled, told, width)) t.true(visible(line) <= width, line);
    }
  }
});

test("figures read as a person writes them", (t) => {
  t.deepEqual([0, 999, 9_300, 1.5e6, 2e9].map(rate), [
    "0 bit/s",
    "999 bit/s",
    "9.3 kbit/s",
    "1.5 Mbit/s",
    "2.0 Gbit/s",
  ]);
  t.deepEqual([10, 2_048, 5 * 2 ** 30].map(bytes), ["10 B", "2.0 KiB", "5.0 GiB"]);
  t.deepEqual([0, 59, 61, 3_700, 90_000].map(duration), [
    "0 s",
    "59 s",
    "1 min 01 s",
    "1 h 01 min",
    "1 d 01 h",
  ]);
  t.deepEqual([0, 999, 1_000, 1_234_567].map(whole), ["0", "999", "1 000", "1 234 567"]);
  t.is(percent(0.0334), "3.34 %");
  t.is(figure([1_234, 0.123456], "1/s"), "1234 / 0.1235 1/s");
});

test("text of others cannot move the cursor; colours are for terminals that want them", (t) => {
  t.is(tidy("a\u001b[2Jb\r\n\u202ec"), "a·[2Jb···c");
  t.is(visible("\u001b[31mred\u001b[0m"), 3);
  const stream = (isTTY: boolean) =>
    ({ isTTY, columns: 300, on: () => {}, write: () => true }) as unknown as NodeJS.WriteStream;
  const paint = (isTTY: boolean, env: NodeJS.ProcessEnv) =>
    openTerminal(stream(isTTY), stream(isTTY), env).paint.bad("x");
  t.is(paint(true, {}), "\u001b[31mx\u001b[0m");
  t.is(paint(true, { NO_COLOR: "1" }), "x");
  t.is(paint(true, { TERM: "dumb" }), "x");
  t.is(paint(false, {}), "x");
  t.is(openTerminal(stream(false), stream(false), {}).width, 80);
});

test("a configuration is shown without what may be a secret", (t) => {
  const pem = "-----BEGIN PRIVATE KEY-----\nMIG…";
  const table = {
    node: { id: "a", state_dir: "/s", password: "hunter2" },
    manager: { url: "mqtts://user:hunter2@host", password_file: "hunter2", key: pem },
    km: { main: { host: "h", port: 1, key: "node.key", secret: "hunter2" } },
    hunter2: { x: "hunter2" },
    module: [{ name: "alice", driver: { kind: "qmlp", path: "/dev/x", token: ["hunter2"] } }],
  };
  const shown = redactedTable(table);
  const values = JSON.stringify(shown).replace('"hunter2":', "");
  t.false(values.includes("hunter2"));
  t.false(values.includes("BEGIN"));
  t.like(shown, {
    node: { id: "a", state_dir: "/s", password: "(not shown)" },
    km: { main: { host: "h", port: 1, key: "node.key", secret: "(not shown)" } },
    module: [{ name: "alice", driver: { kind: "qmlp", path: "/dev/x", token: "(not shown)" } }],
  });
  t.is(flatten(shown).get("module[0].driver.path"), '"/dev/x"');
});

test("every key of the configuration may be shown", (t) => {
  const names = new Set<string>();
  const walk = (schema: unknown, depth = 0): void => {
    if (depth > 12 || typeof schema !== "object" || schema === null) return;
    const { entries, wrapped, pipe, options, item, value } = schema as Record<string, unknown>;
    for (const [name, inner] of Object.entries((entries as object) ?? {})) {
      names.add(name);
      walk(inner, depth + 1);
    }
    for (const inner of [wrapped, item, value, pipe, options].flat()) walk(inner, depth + 1);
  };
  walk(configSchema);
  for (const { options } of driverKinds) walk(options);
  t.true(names.size > 60);
  for (const name of names) {
    const table = redactedTable({ [name]: 5 }) as Record<string, unknown>;
    t.is(table[name], 5, `${name} is not in the list of src/node/config/redact.ts`);
  }
});

test("the last lines of the log are kept, each cut", (t) => {
  const ring = new LogRing(3);
  for (const line of ["a", "b", "c", "d", "x".repeat(5_000)]) ring.add(line);
  t.deepEqual(
    ring.after(0, 2).map(({ line }) => line.length),
    [1, 2_048],
  );
  t.deepEqual(
    ring.after(3, 10).map(({ sequence }) => sequence),
    [4, 5],
  );
  t.is(ring.sequence, 5);
});
