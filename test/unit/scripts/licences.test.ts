/** Each package of the programs has the text of its licence beside them, as its authors ask for. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { collectLicences } from "../../../scripts/build/licences.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = (name: string) => join(root, "node_modules", name);

test("a licence whose text is no file of its own is found, and so is that of a part compiled in", (t) => {
  const one = (name: string) => collectLicences([folder(name)]);
  t.regex(one("pg-types"), /Copyright \(c\) 2014 Brian M\. Carlson[\s\S]*THE SOFTWARE\.\n$/);
  t.regex(one("pgpass"), /Copyright \(c\) 2013-2016 Hannes H/);
  t.regex(one("@bufbuild/protobuf"), /Buf Technologies[\s\S]*Copyright 2008 Google Inc/i);
  const version = readFileSync(join(folder("node-hid"), "hidapi/VERSION"), "utf8").trim();
  t.regex(
    one("node-hid"),
    new RegExp(`^hidapi ${version}: BSD-3-Clause\n\nCopyright.*Alan Ott`, "m"),
  );
});

test("a package without such a text is an error, which names it", (t) => {
  const box = mkdtempSync(join(tmpdir(), "qkd-licences-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  const about = { name: "some", version: "1.0.0", license: "MIT" };
  writeFileSync(join(box, "package.json"), JSON.stringify(about));
  writeFileSync(join(box, "README.md"), "# some\n\n## License\n\nMIT\n");
  t.throws(() => collectLicences([box]), { message: /^some: MIT, and its text is not in / });
});
