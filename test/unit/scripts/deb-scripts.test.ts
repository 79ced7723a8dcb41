/** What the Debian package runs as it comes and goes, with systemd's tools that only say what they were told. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { postinst, postrm, prerm } from "../../../scripts/deb.d/texts.ts";

/** A machine that systemd runs. */
function machine(t: ExecutionContext) {
  const root = mkdtempSync(join(tmpdir(), "qkd-deb-scripts-"));
  t.teardown(() => rmSync(root, { recursive: true }));
  const at = (path: string) => join(root, path);
  for (const path of ["bin", "run", "etc/multi-user.target.wants"]) {
    mkdirSync(at(path), { recursive: true });
  }
  for (const name of [
    "systemctl",
    "udevadm",
    "deb-systemd-invoke",
    "systemd-sysusers",
    "systemd-tmpfiles",
  ]) {
    const text = `#!/bin/sh\nfor one in ${name} "$@"; do printf '%s ' "$one"; done >>${at("told")}\necho >>${at("told")}\n`;
    writeFileSync(at(`bin/${name}`), text, { mode: 0o755 });
  }
  const run = (script: string, ...args: string[]) => {
    const here = script
      .replaceAll("/run/systemd/system", at("run"))
      .replaceAll("/etc/systemd/system", at("etc"));
    rmSync(at("told"), { force: true });
    const { status, stderr } = spawnSync("sh", ["-c", here, "sh", ...args], {
      encoding: "utf8",
      env: { PATH: `${at("bin")}:/usr/bin:/bin` },
      // Where a name with a star would be one of a file.
      cwd: root,
    });
    t.is(status, 0, stderr);
    const told = existsSync(at("told")) ? readFileSync(at("told"), "utf8").split("\n") : [];
    return told
      .find((line) => line.startsWith("deb-systemd-invoke"))
      ?.trim()
      .split(" ")
      .slice(1);
  };
  return { at, run };
}

/** Every service of the package that somebody enables. */
const enabled = readdirSync(fileURLToPath(new URL("../../../systemd", import.meta.url)))
  .filter((name) => name.endsWith(".service") && name !== "qkd-console.service")
  .map((name) => name.replace("@", "@*"));

test("each service that runs gets the new programs, tunnels too, and none runs on when they are gone", (t) => {
  const { run } = machine(t);
  t.deepEqual(run(postinst, "configure")?.toSorted(), ["try-restart", ...enabled].toSorted());
  const console = ["qkd-console.path", "qkd-console.service"];
  t.deepEqual(run(prerm, "remove")?.toSorted(), ["stop", ...console, ...enabled].toSorted());
  t.is(run(prerm, "upgrade", "0.2.0"), undefined);
});

test("what is plugged in already is looked at by the rules that came with the package", (t) => {
  const { at, run } = machine(t);
  const rules = readFileSync(
    new URL("../../../systemd/70-qkd-node.rules", import.meta.url),
    "utf8",
  );
  const named = new Set([...rules.matchAll(/SUBSYSTEM=="([\w-]+)"/g)].map(([, name]) => name));
  run(postinst, "configure");
  const told = readFileSync(at("told"), "utf8").split("\n");
  const reloaded = told.findIndex((line) => line.startsWith("udevadm control --reload"));
  const triggered = told.findIndex((line) => line.startsWith("udevadm trigger"));
  t.true(reloaded >= 0 && triggered > reloaded, told.join("\n"));
  const matched = [...(told[triggered] ?? "").matchAll(/--subsystem-match=([\w-]+)/g)];
  t.deepEqual(matched.map(([, name]) => name).toSorted(), [...named].toSorted());
});

test("purged, nothing of the package is started once it is installed again; removed, all that was enabled is", (t) => {
  const { at, run } = machine(t);
  const link = (name: string, to: string) =>
    symlinkSync(to, at(`etc/multi-user.target.wants/${name}`));
  const ours = ["qkd-node", "qkd-km", "qkd-controller", "qkd-panel"].map(
    (name) => `${name}.service`,
  );
  for (const name of [...ours, "qkd-console.path"]) link(name, `/lib/systemd/system/${name}`);
  link("qkd-psk@one.service", "/usr/lib/systemd/system/qkd-psk@.service");
  link("qkd-own.service", "/etc/systemd/own/qkd-own.service");
  link("chrony.service", "/lib/systemd/system/chrony.service");
  const left = () => readdirSync(at("etc/multi-user.target.wants")).toSorted();
  const all = left();
  run(postrm, "remove");
  t.deepEqual(left(), all);
  run(postrm, "purge");
  t.deepEqual(left(), ["chrony.service", "qkd-own.service"]);
  run(postrm, "purge");
});
