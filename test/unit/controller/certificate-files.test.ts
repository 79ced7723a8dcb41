/** A request for a certificate, in a file that a person names. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { requestIn } from "../../../src/controller/cli/certificate-files.ts";

test("a request that cannot be read is told in words", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-csr-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const none = join(folder, "none.csr");
  t.throws(() => requestIn(none), { message: `${none} cannot be read: no such file` });
  t.throws(() => requestIn(folder), { message: `${folder} cannot be read: it is a folder` });
});
