/** What `npm test` takes, and what it refuses before it runs anything. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "ava";
import { wrongEnvironment, wrongOption } from "../../../scripts/test-options.mjs";

const script = join(import.meta.dirname, "../../../scripts/test.mjs");

test("AVA's options and ours are taken, and files", (t) => {
  for (const args of [
    [],
    ["--slowest"],
    ["--whole", "test/unit/base"],
    ["-m", "*title*", "--match=other", "-mthird"],
    ["--config", "ava.late.config.mjs", "--fail-fast", "--tap"],
    ["-c", "2", "--timeout", "1m", "--no-worker-threads", "-v"],
    ["one.test.ts", "--", "--of-the-test"],
  ]) {
    t.is(wrongOption(args), undefined, args.join(" "));
  }
});

test("an option that is not known, or has no value, is named", (t) => {
  for (const word of ["--nope", "--slowes", "-x", "-", "--toString", "---"]) {
    t.is(wrongOption(["test/unit/base", word]), `no such option: ${word}`);
  }
  for (const args of [["-m"], ["--match", "--tap"], ["-c", "-v"], ["--config"]]) {
    t.is(wrongOption(args), `${args[0]}: its value is missing`);
  }
});

test("what is no number of minutes, and no length of campaigns, is named", (t) => {
  for (const minutes of ["abc", "0", "-1", "", "1e9", "NaN"]) {
    t.regex(wrongEnvironment({ QKD_TEST_MINUTES: minutes }) ?? "", /^QKD_TEST_MINUTES: /);
  }
  for (const campaigns of ["all", "", "hole"]) {
    t.regex(wrongEnvironment({ QKD_CAMPAIGNS: campaigns }) ?? "", /^QKD_CAMPAIGNS: /);
  }
  t.is(wrongEnvironment({ QKD_TEST_MINUTES: "0.5", QKD_CAMPAIGNS: "ci" }), undefined);
  t.is(wrongEnvironment({ QKD_CAMPAIGNS: "whole" }), undefined);
});

test("npm test refuses them at once", (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--nope"], {
    encoding: "utf8",
    // A run that begins nevertheless is ended, with another code.
    timeout: 30_000,
  });
  t.is(status, 64);
  t.is(stdout, "");
  t.regex(stderr, /^npm test: no such option: --nope\n/);
});
