/** A configuration is read to its end, if it has one. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { errorCode } from "../../../../src/base/errors.ts";
import { ConfigError } from "../../../../src/host/config/problems.ts";
import { readConfigText } from "../../../../src/host/config/read.ts";

const whyNot = (error: unknown) => errorCode(error) ?? "unknown";
const limit = 16_777_216;

function problem(file: string): string | undefined {
  try {
    readConfigText(file, whyNot);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join();
    throw error;
  }
}

test("what has no end, or is too long, is refused by name and limit", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-config-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.is(problem("/dev/zero"), `/dev/zero: longer than ${limit} bytes: no configuration`);
  const file = join(folder, "long.toml");
  writeFileSync(file, Buffer.alloc(limit, "#"));
  t.is(readConfigText(file, whyNot).length, limit);
  writeFileSync(file, Buffer.alloc(limit + 1, "#"));
  t.regex(problem(file) ?? "", /long\.toml: longer than/);
  t.is(problem(folder), `${folder}: cannot be read: EISDIR`);
  t.regex(problem(join(folder, "none")) ?? "", /: cannot be read: ENOENT$/);
});

test("a pipe is read as a file is, in as many parts as it comes", (t) => {
  const read = new URL("../../../../src/host/config/read.ts", import.meta.url).pathname;
  const program = `import { readConfigText } from ${JSON.stringify(read)};
    process.stdout.write(readConfigText("/dev/stdin", String));`;
  const input = "a = 1 # ä\n".repeat(30_000);
  const { stdout } = spawnSync(
    "sh",
    ["-c", 'cat | "$0" --input-type=module -e "$1"', process.execPath, program],
    { input, encoding: "utf8", maxBuffer: limit },
  );
  t.is(stdout, input);
});
