/** A key manager that is told to stop while it starts: at once, also where its token hangs. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exit } from "../../src/base/exit-codes.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { programPath } from "../rig/programs.ts";

/** Says that it was asked, and never answers. */
const hang = `#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
unsigned long C_GetFunctionList(void **list) {
  close(open(getenv("QKD_TEST_ASKED"), O_CREAT | O_WRONLY, 0600)); for (;;) pause(); }`;

testWith(
  "gcc",
  "a stop during a start with a token that hangs ends it in order",
  async (t, gcc) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-km-stop-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = (name: string) => join(folder, name);
    writeFileSync(path("hang.c"), hang);
    execFileSync(gcc, ["-shared", "-fPIC", "-o", path("hang.so"), path("hang.c")]);
    writeFileSync(path("pin"), "1234", { mode: 0o600 });
    mkdirSync(path("state"));
    const wrapped = { version: 1, km: "km-a", key: "km-a", sealed: "" };
    writeFileSync(path("state/master-key.hsm"), JSON.stringify(wrapped));
    const hsm = `module = "${path("hang.so")}"\ntoken = "x"\npin_file = "${path("pin")}"\nanswer_timeout_s = 30\n`;
    const km = `[km]\nid = "km-a"\nstate_dir = "${path("state")}"\n[store.hsm]\n${hsm}`;
    writeFileSync(path("km.toml"), km);
    const asked = path("asked");
    const child = spawn(programPath("qkd-km"), ["run", "--config", path("km.toml")], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, QKD_TEST_ASKED: asked },
    });
    t.teardown(() => child.kill("SIGKILL"));
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      log += part;
    });
    const ended = once(child, "close");
    await eventually("the token is asked", async () => existsSync(asked), { when: Boolean });
    const begun = performance.now();
    child.kill("SIGTERM");
    t.deepEqual(await ended, [exit.ok, null], log);
    t.true(performance.now() - begun < 15_000);
    t.regex(log, /asking the token was stopped[\s\S]*stopping[\s\S]*msg="stopped"/);
  },
);
