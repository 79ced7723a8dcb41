/** Names as the machine resolves them: its own files, its own DNS servers, a namespace for each test. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { find } from "../find.ts";

const guest = fileURLToPath(new URL("../rig/names-guest.ts", import.meta.url));
const apart = ["-n", "-m"];

/** Why there can be no namespace here; undefined if there can. */
function missing(): string | undefined {
  for (const program of ["unshare", "ip", "mount"]) {
    if (find(program) === undefined) return `${program} is not installed`;
  }
  if (spawnSync("unshare", [...apart, "true"]).status !== 0)
    return "only root may make a namespace";
  return existsSync("/dev/net/tun") ? undefined : "there is no /dev/net/tun";
}

const why = missing();

function apartFromAll(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  if (why === undefined) test(title, body);
  else test.skip(`${title} (skipped, because ${why})`, () => {});
}

async function play(what: "slow" | "dns") {
  const args = [...apart, process.execPath, ...process.execArgv, guest, what];
  const { stdout } = await promisify(execFile)("unshare", args);
  return JSON.parse(stdout);
}

apartFromAll("of a name's two addresses one is dead and one far away: it connects", async (t) => {
  t.deepEqual(await play("slow"), { late: [] });
});

apartFromAll("a DNS server that never answers keeps nobody whose name is known", async (t) => {
  t.deepEqual(await play("dns"), { before: [], late: [], asked: ["away", "gone", "lost"] });
});
