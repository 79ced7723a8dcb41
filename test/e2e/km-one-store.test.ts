/** A store that two state folders lead to is of one key manager at a time. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { freePort } from "../rig/free-port.ts";
import { KmPair } from "../rig/km-pair.ts";
import { NodeProcess } from "../rig/node-process.ts";
import { programPath } from "../rig/programs.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");

test("neither a second key manager nor a check opens a store that is open by another way", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-one-store-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
  t.teardown(() => kms.stop());
  const { alice } = kms;
  await alice.start(deadline());

  const second = join(folder, "second");
  await mkdir(second, { mode: 0o700 });
  await symlink(join(alice.state, "store"), join(second, "store"));
  const config = join(folder, "second.toml");
  const ports = [await freePort(), await freePort(), await freePort()];
  const text = (await readFile(join(folder, "alice.toml"), "utf8"))
    .replace(alice.state, second)
    .replace(/(\[(?:kq1|etsi014|skip)\]\nhost = "127.0.0.1"\nport = )\d+/g, (_, before) => {
      return `${before}${ports.shift()}`;
    });
  await writeFile(config, text);

  const told = /another process uses the state folder \(folder=.*\/second\/store\)/;
  const process = new NodeProcess(config, join(folder, "second.log"), undefined, command);
  t.teardown(() => process.stop());
  process.start();
  await process.logged(told, deadline());
  t.is(await process.stop(), 74);
  const check = () =>
    spawnSync(command, ["store", "check", "--config", config], { encoding: "utf8" });
  const refused = check();
  t.is(refused.status, 74);
  t.regex(refused.stderr, told);

  t.is(await alice.process.stop(), 0);
  t.is(check().status, 0);
});
