/**
 * What a start reads of the root file system, in the order of need: the initramfs has another
 * processor read, unpack and check it, while the start itself is the work of one.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { libraries, offsetOf } from "./elf.ts";

/** What `part` counts in, bytes. */
const block = 65_536;

const systemd = "usr/lib/systemd/systemd";
const node = "usr/lib/qkd-node/runtime/node";

export interface ReadAhead {
  /** Paths in the root file system, one a line. */
  readonly whole: string;
  /** A path and how many blocks of its file, one a line. */
  readonly part: string;
}

export async function readAhead(root: string): Promise<ReadAhead> {
  const whole = [
    "usr/lib/ld-linux-aarch64.so.1",
    systemd,
    ...(await libraries(root, systemd)),
    ...(await libraries(root, node)),
    "usr/lib/qkd-node/lib/qkd-node.js",
    "usr/lib/qkd-node/code/qkd-node-arm64",
  ];
  const lines = [...new Set(whole)].map((path) => `${path}\n`);
  return { whole: lines.join(""), part: `${node} ${await blocksOfNode(join(root, node))}\n` };
}

/**
 * Code and the engine's tables come first in Node.js' file. Behind them are, in half of it, all languages of
 * the world, of which a start needs a few pages, and names for debuggers.
 */
async function blocksOfNode(file: string): Promise<number> {
  const end = (await offsetOf(file, /^icudt\d+_dat$/)) ?? (await stat(file)).size;
  return Math.ceil(end / block);
}
