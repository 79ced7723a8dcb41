/** `scripts/image`: the appliance's command line. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { wrap } from "../../src/host/terminal/table.ts";
import { parsed, runTool, UsageError } from "../tool.ts";
import { boardNames, readBoard, root } from "./board.ts";
import { boot } from "./boot.ts";
import { buildAgain, buildImage } from "./build.ts";
import { devices } from "./devices.ts";
import { flash } from "./flash.ts";
import { makeLock } from "./packages.ts";
import { ImageError, step } from "./run.ts";
import { plug, unplug } from "./stick.ts";

const usage = `scripts/image COMMAND [options]: the appliance (board/README.md)

  build            makes a board's image: disk, update bundle, bill of materials
  boot             runs it on an emulated board; Ctrl-C takes the power away
  plug FILE        plugs a stick into the board that boot runs; unplug pulls it
  flash --to DISK  writes it onto a disk, all of it
  devices          what the board's device tree has, and what drives each of it
  lock             writes down today's Debian packages, with their hashes

All:
  --board NAME     (default qemu/virt)
                   ${wrap(boardNames().join(", "), 60).join("\n                   ")}
  --out FOLDER     what is made, and used (default dist/image/NAME)
Build:
  --version V      of the image (default: the software's)
  --keys FOLDER    boot.key, boot.crt, update.key, update.crt, update-ca.crt;
                   for a Raspberry Pi pi-boot.key; site-keys if the image is to
                   pin who signs configurations (board/keys.md; keys may be in
                   a token). Without it this machine's development keys are used
  --firmware DIR   the maker's firmware, for boards that need it
  --quick          larger, and sooner
  --verify         build it twice, and compare: bit by bit the same, or exit
                   code 1
  --append WORDS   more of the kernel's command line, for tests
Boot:
  --real-start     as on hardware: firmware, boot loader, signed kernel
  --modules DIR    attach the modules of scripts/emulator DIR --transport socket
  --stick FILE     a disk image with the label QKD-SITE, plugged in
  --tpm            with a TPM (swtpm), for boards that have a driver for it
  --disk FILE      a disk that was flashed, as on hardware, instead of what was
                   built
  --blank          begin with a blank data partition again
Flash:
  --from FILE      a released image, such as disk.img.zst (default: what was
                   built)
  --yes            really
Lock:
  --release NAME   of Debian (default bookworm)

QKD_IMAGE_MIRROR and QKD_IMAGE_MIRROR_SECURITY name other Debian mirrors than
this machine's own. Downloads are kept in ~/.cache/qkd-image. Neither root nor
an emulator is needed to build.
Exit codes: 0, 1 with a reason, 64 wrong command line, 74 the output cannot be
written.
`;

const options = {
  board: { type: "string", default: "qemu/virt" },
  out: { type: "string" },
  version: { type: "string" },
  keys: { type: "string" },
  append: { type: "string" },
  firmware: { type: "string" },
  "real-start": { type: "boolean", default: false },
  modules: { type: "string" },
  stick: { type: "string" },
  tpm: { type: "boolean", default: false },
  disk: { type: "string" },
  blank: { type: "boolean", default: false },
  to: { type: "string" },
  from: { type: "string" },
  quick: { type: "boolean", default: false },
  verify: { type: "boolean", default: false },
  yes: { type: "boolean", default: false },
  release: { type: "string", default: "bookworm" },
  help: { type: "boolean", short: "h" },
} as const;

function parse(args: string[]) {
  return parsed(() => parseArgs({ args, options, allowPositionals: true }));
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (command === undefined) throw new UsageError("a command is needed");
  const file = command === "plug" ? rest.shift() : undefined;
  if (command === "plug" && file === undefined) throw new UsageError("plug FILE");
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  const board = readBoard(values.board);
  const image = values.out ?? join(root, "dist/image", board.id);
  switch (command) {
    case "build": {
      const { version, keys, append, firmware, quick } = values;
      const cmdline = append?.split(" ") ?? [];
      const how = { board, out: image, version, keys, cmdline, firmware, quick };
      await buildImage(how);
      if (values.verify) await buildAgain(how);
      return 0;
    }
    case "boot": {
      const { modules, stick, tpm, blank, disk: flashed } = values;
      const { emulator } = board;
      if (emulator === undefined) throw new ImageError(`QEMU has no ${board.title}`);
      const firmware = values["real-start"];
      return boot({ image, emulator, firmware, modules, stick, tpm, blank, flashed });
    }
    case "plug":
    case "unplug": {
      const { emulator } = board;
      if (emulator === undefined) throw new ImageError(`QEMU has no ${board.title}`);
      if (command === "unplug") await unplug(image);
      else await plug(image, file as string, emulator);
      return 0;
    }
    case "flash": {
      if (values.to === undefined) throw new UsageError("flash --to DISK");
      await flash({ image: values.from ?? image, to: values.to, yes: values.yes });
      return 0;
    }
    case "devices": {
      process.stdout.write(`${(await devices(board)).join("\n")}\n`);
      return 0;
    }
    case "lock": {
      const today = new Date().toISOString().slice(0, 10);
      const { file, packages, changed } = await step("resolving packages", () =>
        makeLock(board, values.release, today),
      );
      process.stdout.write(`${file}: ${packages} packages, ${changed} lines new\n`);
      return 0;
    }
    default:
      throw new UsageError(`no such command: ${command}`);
  }
}

await runTool("image", main, (error) => error instanceof ImageError);
