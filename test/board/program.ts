/** A program of this repository's tests that is to run in the guest. */

import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Machine } from "./machine.ts";

/** The guest's Node.js. */
export const node = "/usr/lib/qkd-node/runtime/node";

/** Longest line that is given to the guest. */
const chunk = 32_768;

/** Puts a module with all that it imports into one file of the guest. @param path in this folder's parent */
export async function putProgram(board: Machine, path: string, to: string): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../${path}`, import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minify: true,
    write: false,
    logLevel: "error",
  });
  const text = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
  await board.sh(`rm -f ${to}.base64`);
  for (let at = 0; at < text.length; at += chunk) {
    await board.sh(`printf %s ${text.slice(at, at + chunk)} >>${to}.base64`);
  }
  await board.sh(`base64 -d ${to}.base64 >${to} && rm ${to}.base64`);
}
