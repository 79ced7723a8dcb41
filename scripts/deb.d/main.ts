/** `scripts/deb`: Debian packages of the programs, for machines that are no appliances. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../image.d/board.ts";
import { ImageError } from "../image.d/run.ts";
import type { Architecture } from "../image.d/runtime.ts";
import { parsed, runTool } from "../tool.ts";
import { makePackages } from "./packages.ts";

const architectures: readonly Architecture[] = ["amd64", "arm64"];

const usage = `scripts/deb [options]: Debian packages of the programs, with their Node.js

  --out FOLDER       where to (default dist/deb)
  --arch NAME        ${architectures.join(" or ")}; may be repeated (default: both)
  --maintainer TEXT  "NAME <ADDRESS>" of who answers for the packages
                     (default: of the last commit)
  --revision TEXT    behind the software's version (default 1)
  --help

What is made is the same, bit by bit, for the same sources and Node.js.
Exit codes: 0, 1 with a reason, 64 wrong command line, 74 the output cannot be
written.
`;

const options = {
  out: { type: "string", default: join(root, "dist/deb") },
  arch: { type: "string", multiple: true },
  maintainer: { type: "string" },
  revision: { type: "string", default: "1" },
  help: { type: "boolean", short: "h" },
} as const;

function parse(args: string[]) {
  return parsed(() => {
    const { values } = parseArgs({ args, options });
    const asked = values.arch ?? [...architectures];
    const wrong = asked.find((one) => !architectures.some((known) => known === one));
    if (wrong !== undefined) throw new Error(`--arch: no ${wrong} here`);
    if (!/^[A-Za-z0-9.+~]{1,32}$/.test(values.revision)) throw new Error("--revision: no such");
    return { ...values, architectures: asked as Architecture[] };
  });
}

async function main(args: string[]): Promise<string> {
  const values = parse(args);
  if (values.help) return usage;
  const { out, revision, maintainer } = values;
  await mkdir(out, { recursive: true });
  const made = await makePackages(resolve(out), values.architectures, revision, maintainer);
  return made.map((file) => `${file}\n`).join("");
}

await runTool("deb", main, (error) => error instanceof ImageError);
