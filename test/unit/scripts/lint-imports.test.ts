import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { lint, rules } from "../../../scripts/lint-imports.ts";

/** Rules that a small tree breaks. */
function broken(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), "qkd-lint-"));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    return lint(root).map(({ file, line, rule }) => `${file}:${line} ${rule}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const cases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  floors: {
    "drivers/x.ts": 'import {\n  a,\n} from "../src/node/custody/custody.ts";',
    "src/node/custody/custody.ts": "",
  },
  "no-circle-of-rooms": {
    "src/ops/page/a.ts": 'import type { B } from "../mqtt/b.ts";',
    "src/ops/mqtt/b.ts": 'import type { C } from "../site/c.ts";',
    "src/ops/site/c.ts": 'import type { D } from "../page/d.ts";',
    "src/ops/page/d.ts": "",
  },
  "keys-stay-in-their-rooms": {
    "src/node/manager/x.ts": 'export type { QkdKey } from "../../port/key.ts";',
    "src/port/key.ts": "",
  },
  "tables-of-configuration": {
    "src/node/wiring/x.ts": 'import type { Config } from "../config/load.ts";',
    "src/node/config/load.ts": "",
  },
  pure: { "src/wire/kq1/frame.ts": "// setTimeout is fine here\nconst t = Date.now();" },
  "production-knows-no-tests": {
    "src/x.ts": 'await import("../test/clock.ts");',
    "test/clock.ts": "",
  },
  "one-table-of-tls": {
    "src/x.ts":
      'import {\n  connect,\n} from "node:tls";\nimport type { Server } from "node:https";',
  },
  "no-cycle": {
    "src/a.ts": 'import type { B } from "./b.ts";',
    "src/b.ts": 'import { a } from "./a.ts";',
  },
  "one-idea-a-file": { "test/long.ts": "\n".repeat(401) },
  "plain-comments": { "drivers/x.ts": 'const a = "nobody";\n/**\n * For whoever asks.\n */' },
  "no-test-switch": { "drivers/x.ts": 'if (process.env.NODE_ENV === "test") a();' },
};

test("every rule has a case here", (t) => {
  t.deepEqual(Object.keys(cases).sort(), rules.map((rule) => rule.name).sort());
});

for (const [rule, files] of Object.entries(cases)) {
  test(`the rule ${rule} finds what breaks it`, (t) => {
    const found = broken(files);
    t.is(found.length, 1, found.join("\n"));
    t.true(found[0]?.endsWith(rule));
  });
}

test("what is in order breaks nothing", (t) => {
  const files = {
    "src/bin/drivers.ts": 'import "../../drivers/index.ts";\nimport "node:fs";',
    "drivers/index.ts": 'import type { K } from "../src/port/key.ts"; // from "../src/x.ts"',
    "src/port/key.ts": "const text = \"import from '../test/x.ts'\";",
  };
  t.deepEqual(broken(files), []);
});

test("the project itself keeps its rules", (t) => {
  t.deepEqual(lint(fileURLToPath(new URL("../../..", import.meta.url))), []);
});

test("a word that it does not know is no clean bill", (t) => {
  const script = fileURLToPath(new URL("../../../scripts/lint-imports.ts", import.meta.url));
  for (const word of ["--nope", "src/km"]) {
    const args = [script, word];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    t.is(status, 64);
    t.true(stderr.startsWith(`lint-imports: ${word}`));
  }
});
