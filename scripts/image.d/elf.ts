/** What programs for the board say of themselves: what they are linked with, and where things are in them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

const objdump = "aarch64-linux-gnu-objdump";
/** Of a root file system; systemd has libraries of its own. */
const folders = ["usr/lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu/systemd"];

/** @returns what a program is linked with, and what that is, less the loader; paths in `root`, each once */
export async function libraries(root: string, program: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (path: string) => {
    const text = await run(objdump, ["-p", join(root, path)]);
    for (const [, name = ""] of text.matchAll(/NEEDED\s+(\S+)/g)) {
      const library = folders
        .map((folder) => join(folder, name))
        .find((one) => existsSync(join(root, one)));
      if (name.startsWith("ld-linux") || library === undefined || found.includes(library)) continue;
      found.push(library);
      await look(library);
    }
  };
  await look(program);
  return found;
}

/** @returns where in its file something begins, bytes; undefined if the program has no such name */
export async function offsetOf(program: string, name: RegExp): Promise<number | undefined> {
  const symbols = await run(objdump, ["-t", program]);
  const line = symbols.split("\n").find((one) => name.test(one.slice(one.lastIndexOf(" ") + 1)));
  if (line === undefined) return undefined;
  const address = Number.parseInt(line, 16);
  const headers = await run(objdump, ["-p", program]);
  const load = /LOAD off +0x([0-9a-f]+) vaddr 0x([0-9a-f]+) [^\n]*\n +filesz 0x([0-9a-f]+)/g;
  for (const [, ...numbers] of headers.matchAll(load)) {
    const [from = 0, at = 0, size = 0] = numbers.map((text) => Number.parseInt(text, 16));
    if (address >= at && address < at + size) return address - at + from;
  }
  return undefined;
}
