/** docs/use/skip.md, typed by a test. */
import { execFile } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { find } from "../find.ts";
import { testWith } from "../needs.ts";
import { KmPair } from "../rig/km-pair.ts";
import { block, recipe } from "../rig/recipe.ts";
import { deadline } from "../rig/with-rig.ts";

testWith("openssl", "a router's way to the KM is set up, and answers", async (t) => {
  t.truthy(find("openssl"));
  const folder = mkdtempSync(join(tmpdir(), "qkd-use-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
  const { port } = kms.alice.skip;
  const page = recipe("skip", {
    'km = "km-a"': 'km = "km-alice"',
    'km = "km-b"': 'km = "km-bob"',
    "km-a.example:9447": `127.0.0.1:${port}`,
  });
  const type = async (script: string) =>
    (await promisify(execFile)("sh", ["-ec", script], { cwd: folder })).stdout;
  await type(block(page, "sh", "psk"));
  // The rig's own table of the door stands for the page's.
  const tables = block(page, "toml", "km").replace(/^\[skip\]\n.*\n/, "");
  const config = `${folder}/alice.toml`;
  appendFileSync(config, `\n${tables}`);
  t.teardown(() => kms.stop());
  await kms.alice.start(deadline());
  const answer = await type(block(page, "sh", "ask"));
  t.regex(answer, /"localSystemID":"router-a","remoteSystemID":\["router-b"\]/);
  // Without its table it is out.
  writeFileSync(config, readFileSync(config, "utf8").replace(tables, ""));
  kms.alice.process.signal("SIGHUP");
  await kms.alice.process.logged(/applications were read anew/, deadline());
  t.notRegex(await type(`${block(page, "sh", "ask").trim()} 2>&1 || true`), /localSystemID/);
});
