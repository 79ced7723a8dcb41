/** Programs beside the node, with a site's configuration that was changed on the disk. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeSeal } from "../../src/ops/site/seal.ts";
import { programPath } from "../rig/programs.ts";
import { eves, ours, SiteBench } from "../rig/site-bench.ts";

for (const [who, name] of [
  ["km", "key manager"],
  ["controller", "controller"],
] as const) {
  test.serial(
    `a ${name} looks at nothing of a configuration that was changed on the disk`,
    async (t) => {
      const bench = new SiteBench();
      try {
        bench.put({ ...ours, [`${who}.toml`]: `[${who}]\nid = 7\n` });
        t.regex(await bench.plug(), /^taken: /m);
        t.true(bench.did.includes(`restart qkd-${who}.service`));
        const env = { ...process.env, ...bench.environment };
        const run = () => {
          const args = ["run", "--config", join(bench.home, `${who}.toml`)];
          return spawnSync(programPath(`qkd-${who}`), args, { encoding: "utf8", env });
        };
        const taken = run();
        t.is(taken.status, 78);
        t.true(taken.stderr.includes(`${who}.id`), taken.stderr);
        // Not the program's own file, and by who has the node's key.
        const record = readFileSync(join(bench.home, "site/record.json"));
        writeFileSync(join(bench.home, "site/node.toml"), eves["node.toml"]);
        const changed = run();
        t.is(changed.status, 78);
        t.regex(changed.stderr, /not what was taken: node\.toml was changed\n/);
        writeFileSync(join(bench.home, "site/node.toml"), ours["node.toml"]);
        const seal = makeSeal(record, Buffer.from("the node's private key"), "node");
        writeFileSync(join(bench.home, `site/seal-${who}`), `${seal.toString("hex")}\n`);
        t.regex(run().stderr, /not what was taken: its seal is not this machine's\n/);
      } finally {
        bench.close();
      }
    },
  );
}
