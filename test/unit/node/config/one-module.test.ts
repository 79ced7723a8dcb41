/** What of a module is its own: its name, with the files that are called after it, and its device. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { ConfigError } from "../../../../src/host/config/problems.ts";
import { parseConfig } from "../../../../src/node/config/load.ts";

/** @param modules name and folder of each */
function problems(...modules: (readonly [name: string, folder: string])[]): readonly string[] {
  const tables = modules.map(
    ([name, folder]) =>
      `[[module]]\nname = "${name}"\nkm = "main"\n` +
      `[module.driver]\nkind = "qcrypto"\nfolder = "${folder}"\nmodule_id = "Q-${name}"\nmatching_module_id = "R-${name}"\nrole = "alice"\nepoch = "00000000000000aa"\n`,
  );
  const km = '[km.main]\nhost = "km.example"\nport = 9443\ntransport = "plain"\n';
  const node = '[node]\nid = "node-a"\nstate_dir = "/var/lib/qkd-node"\n';
  try {
    parseConfig([node, km, ...tables].join("\n"), "node.toml", driverKinds);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("a module's name does not end like a file beside a ledger", (t) => {
  for (const name of ["alice.new", "alice.damaged.1", "alice.retired.12"]) {
    t.regex(problems([name, "/srv/a"]).join(), /another end: files beside a module's ledger/, name);
  }
  for (const name of ["alice.b", "new", "alice-new", "alice.renewed"]) {
    t.notRegex(problems([name, "/srv/a"]).join(), /another end/, name);
  }
});

test("a folder has one module, however it is spelled", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-one-module-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "real", "keys"), { recursive: true });
  symlinkSync(join(folder, "real"), join(folder, "link"));
  const keys = join(folder, "real", "keys");
  for (const other of [keys, `${folder}/link/keys`, `${folder}/link/../real/keys`, `${keys}/`]) {
    t.regex(
      problems(["a", keys], ["b", other]).join(),
      /is the device of the module a, too/,
      other,
    );
  }
  t.notRegex(problems(["a", keys], ["b", join(folder, "real")]).join(), /device of the module/);
});
