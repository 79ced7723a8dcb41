/** When the image says that a start was good, and when that the machine is to start anew. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";

const script = readFileSync(
  fileURLToPath(
    new URL("../../../board/common/rootfs_overlay/usr/lib/qkd-image/health", import.meta.url),
  ),
  "utf8",
);

interface Start {
  readonly trial: boolean;
  /** The slot's blocks can be read. */
  readonly whole?: boolean;
  /** What the node says of itself; undefined: it has no configuration. */
  readonly node?: string;
  /** How systemd calls the state of the controller; undefined: there is none. */
  readonly controller?: string;
  /** What a restart for a trial is told. */
  readonly restart?: string;
}

/** @returns what was done, in its order */
function health(
  t: ExecutionContext,
  { trial, whole = true, node, controller, restart = "" }: Start,
): string[] {
  const folder = mkdtempSync(join(tmpdir(), "qkd-health-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const name of ["bin", "etc", "block/dm-0/dm", "block/dm-1/dm"])
    mkdirSync(join(folder, name), { recursive: true });
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  };
  const did = join(folder, "did");
  const noted = (name: string) => `echo "${name} $*" >>${did}`;
  program(
    "boot-slot",
    `case $1 in on-trial) echo ${trial ? "yes" : "no"};; restart) echo "${restart}";; *) ${noted("slot")};; esac`,
  );
  program("slots", "exit 0");
  program("rauc", noted("rauc"));
  program("dd", `case "$*" in *if=/dev/dm-1*) ${whole ? "exit 0" : "exit 1"};; esac; exit 2`);
  program(
    "systemctl",
    `case $1 in show) case $4 in qkd-node*) echo "${node ?? ""}";; esac;; is-active) echo "${controller}";; *) ${noted("systemctl")};; esac`,
  );
  program("sleep", "exit 0");
  writeFileSync(join(folder, "block/dm-0/dm/name"), "data\n");
  writeFileSync(join(folder, "block/dm-1/dm/name"), "root\n");
  writeFileSync(join(folder, "slot"), "b\n");
  if (node !== undefined) writeFileSync(join(folder, "etc/node.toml"), "");
  if (controller !== undefined) writeFileSync(join(folder, "etc/controller.toml"), "");
  const text = script
    .replaceAll("/run/qkd-slot", join(folder, "slot"))
    .replaceAll("/usr/lib/qkd-image/", `${join(folder, "bin")}/`)
    .replaceAll("/etc/qkd-node/", `${join(folder, "etc")}/`)
    .replaceAll("/sys/block/", `${join(folder, "block")}/`);
  const path = `${join(folder, "bin")}:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, QKD_HEALTH_SECONDS: "6" };
  spawnSync("sh", ["-c", text], { env });
  return existsSync(did) ? readFileSync(did, "utf8").trim().split("\n") : [];
}

test("a slot that was good is good again once its blocks were read, whatever the node says", (t) => {
  t.deepEqual(health(t, { trial: false, node: "KM not connected" }), ["slot set-state b good"]);
});

test("a slot that cannot be read is not good: the machine starts anew", (t) => {
  for (const trial of [false, true]) {
    t.deepEqual(health(t, { trial, whole: false, node: "healthy" }), ["systemctl reboot"]);
  }
});

test("on trial it is good once all is back, or has no configuration yet; else it starts anew", (t) => {
  const good = ["rauc status mark-good", "slot set-state b good"];
  t.deepEqual(health(t, { trial: true, node: "healthy: keys arrive" }), good);
  t.deepEqual(health(t, { trial: true }), good);
  t.deepEqual(health(t, { trial: true, node: "KM not connected" }), ["systemctl reboot"]);
  t.deepEqual(health(t, { trial: true, node: "healthy", controller: "active" }), good);
  t.deepEqual(health(t, { trial: true, node: "healthy", controller: "failed" }), [
    "systemctl reboot",
  ]);
});

test("a trial that still waits for its restart is asked for", (t) => {
  t.deepEqual(health(t, { trial: false, node: "healthy", restart: "0 tryboot" }), [
    "slot set-state b good",
    "systemctl reboot --reboot-argument=0 tryboot",
  ]);
});
