/** A package has its name once it is whole. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { packTree } from "../../../scripts/deb.d/packages.ts";
import { ImageError } from "../../../scripts/image.d/run.ts";

test("a package whose packing breaks off leaves the one before as it was", async (t) => {
  const box = mkdtempSync(join(tmpdir(), "qkd-deb-"));
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
    rmSync(box, { recursive: true });
  });
  const file = join(box, "qkd-node_1_amd64.deb");
  writeFileSync(file, "whole");
  mkdirSync(join(box, "bin"));
  const packer = join(box, "bin/dpkg-deb");
  // As on a disk that is full: some of it is written.
  writeFileSync(packer, '#!/bin/sh\nfor last; do :; done\necho half >"$last"\nexit 2\n');
  chmodSync(packer, 0o755);
  process.env.PATH = `${join(box, "bin")}:${path}`;
  await t.throwsAsync(packTree(join(box, "amd64"), file), { instanceOf: ImageError });
  t.is(readFileSync(file, "utf8"), "whole");
});
