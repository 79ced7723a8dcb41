/** `scripts/image`: the appliance's command line. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { boardNames, readBoard, root } from "./board.ts";
import { buildImage } from "./build.ts";
import { makeLock } from "./packages.ts";
import { ImageError, step } from "./run.ts";

const usage = `scripts/image COMMAND [options]

  build   makes the image of a board
  lock    writes down today's Debian packages of a board, with their hashes
`;

const options = {
  board: { type: "string", default: "qemu/virt" },
  out: { type: "string" },
  version: { type: "string" },
  keys: { type: "string" },
  release: { type: "string", default: "bookworm" },
  help: { type: "boolean", short: "h" },
} as const;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [command] = positionals;
  if (values.help || command === undefined) {
    process.stdout.write(usage);
    return values.help ? 0 : 64;
  }
  const board = readBoard(values.board);
  const out = values.out ?? join(root, "dist/image", board.id);
  switch (command) {
    case "build":
      await buildImage({ board, out, version: values.version, keys: values.keys });
      return 0;
    case "lock": {
      const today = new Date().toISOString().slice(0, 10);
      const { file, packages, changed } = await step("resolving packages", () =>
        makeLock(board, values.release, today),
      );
      process.stdout.write(`${file}: ${packages} packages, ${changed} lines new\n`);
      return 0;
    }
    default:
      throw new ImageError(`no such command: ${command} (${boardNames().join()})`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ImageError)) throw error;
  process.stderr.write(`image: ${error.message}\n`);
  process.exitCode = 1;
}
