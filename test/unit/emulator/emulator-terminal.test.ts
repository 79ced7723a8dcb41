/** `scripts/emulator` as it is typed: in a folder that is not there, in the background of a terminal. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../../eventually.ts";
import { testWith } from "../../needs.ts";

const cli = fileURLToPath(new URL("../../emulator/cli.ts", import.meta.url));

testWith(
  "script",
  "it makes its folder, and goes on in the background of a terminal",
  async (t, script) => {
    const box = mkdtempSync(join(tmpdir(), "qkd-terminal-"));
    const folder = join(box, "new/modules");
    const line = `set -m; ${process.execPath} ${cli} ${folder} --transport socket & echo $! >${box}/pid; wait`;
    const child = spawn(script, ["-qec", `bash -c '${line}'`, "/dev/null"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    t.teardown(() => {
      child.kill("SIGKILL");
      rmSync(box, { recursive: true, force: true });
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await eventually("its sockets are there", () =>
      ["control.sock", "alice.sock"].every((one) => existsSync(join(folder, one))),
    );
    // One that was stopped for reading the terminal would not answer.
    const send = (word: string) =>
      new Promise<string>((resolve, reject) => {
        execFile(process.execPath, [cli, "send", folder, ...word.split(" ")], (error, out) =>
          error === null ? resolve(out) : reject(error),
        );
      });
    t.regex(await send("alice unplug"), /^ok/);
    process.kill(Number(readFileSync(join(box, "pid"), "utf8")), "SIGTERM");
    await ended;
    t.false(existsSync(join(folder, "alice.sock")));
  },
);
