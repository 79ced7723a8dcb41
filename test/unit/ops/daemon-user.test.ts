/** Whom a daemon runs as, and with which groups: a unit gives some that are in no file of groups. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { daemonUser } from "../../../src/ops/doctor/state-folder.ts";

function box(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-user-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("groups of a running daemon are its process's", async (t) => {
  const proc = box(t);
  mkdirSync(join(proc, "77"));
  const status = "Name:\tnode\nGid:\t971\t971\t971\t971\nGroups:\t20 970 971 \nVmRSS:\t1 kB\n";
  writeFileSync(join(proc, "77/status"), status);
  const { gids } = await daemonUser(proc, { unit: "qkd-node", pid: 77, proc });
  for (const gid of [20, 970, 971]) t.true(gids.includes(gid), String(gid));
});

test.serial("groups of one that does not run are its unit's, by name or number", async (t) => {
  const folder = box(t);
  const systemctl = join(folder, "systemctl");
  writeFileSync(systemctl, '#!/bin/sh\n[ "$4" = qkd-node.service ] && echo "dialout 1 nowhere"\n');
  chmodSync(systemctl, 0o755);
  const before = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = before;
  });
  const facts = { unit: "qkd-node", pid: undefined, proc: folder };
  process.env.PATH = `${folder}:${before}`;
  const { gids } = await daemonUser(folder, facts);
  // As Debian numbers them.
  t.true(gids.includes(20) && gids.includes(1), gids.join());
  process.env.PATH = folder;
  rmSync(systemctl);
  t.false((await daemonUser(folder, facts)).gids.includes(20));
});
