/** An update: system and kernel in one signed bundle, for the slot that does not run. */
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import type { Keys } from "./keys.ts";
import { run } from "./run.ts";
import { sealedFiles } from "./sealed.ts";
import { tokenUri } from "./token.ts";

/** @param out folder of what the build made. @returns the bundle's path */
export async function makeBundle(
  board: Board,
  version: string,
  keys: Keys,
  out: string,
): Promise<string> {
  const content = join(out, "bundle");
  const file = join(out, "update.raucb");
  await rm(content, { recursive: true, force: true });
  await rm(file, { force: true });
  await mkdir(content);
  const { system, kernel } = sealedFiles(out);
  await link(system, join(content, "system.img"));
  await link(kernel, join(content, "kernel.img"));
  const manifest = `[update]
compatible=${board.compatible}
version=${version}

[bundle]
format=verity

[image.system]
filename=system.img

[image.kernel]
filename=kernel.img
`;
  await writeFile(join(content, "manifest.raucm"), manifest);
  await run("rauc", [
    "bundle",
    `--cert=${keys.updateCertificate}`,
    `--key=${(await tokenUri(keys.updateKey)) ?? keys.updateKey}`,
    "--mksquashfs-args=-comp zstd -Xcompression-level 5 -quiet -no-progress",
    content,
    file,
  ]);
  await rm(content, { recursive: true });
  return file;
}
