/** What U-Boot starts: a script that chooses the slot, its variables, and a signed FIT in each slot's partition. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { type Board, root } from "./board.ts";
import { makeFat } from "./fat.ts";
import type { Keys } from "./keys.ts";
import { epochSeconds, run } from "./run.ts";
import { mkimageKey } from "./token.ts";

export interface FitParts {
  readonly kernel: string;
  readonly initramfs: string;
  readonly cmdline: string;
}

/**
 * Kernel, initramfs and command line in one file (flattened image tree). The signature is over hashes of both and over
 * the configuration, of which the command line is a part.
 */
export async function makeFit(
  board: Board,
  { kernel, initramfs, cmdline }: FitParts,
  keys: Keys,
  file: string,
): Promise<void> {
  const at = board.kernel_address ?? "0x40400000";
  const hash = 'hash { algo = "sha256"; };';
  const text = `/dts-v1/;
/ {
  description = "${board.compatible}";
  #address-cells = <1>;
  images {
    kernel {
      data = /incbin/("${resolve(kernel)}");
      type = "kernel"; arch = "arm64"; os = "linux"; compression = "none";
      load = <${at}>; entry = <${at}>;
      ${hash}
    };
    ramdisk {
      data = /incbin/("${resolve(initramfs)}");
      type = "ramdisk"; arch = "arm64"; os = "linux"; compression = "none";
      ${hash}
    };
  };
  configurations {
    default = "slot";
    slot {
      kernel = "kernel";
      ramdisk = "ramdisk";
      bootargs = "${cmdline}";
      signature {
        algo = "sha256,rsa3072";
        key-name-hint = "boot";
        sign-images = "kernel", "ramdisk";
      };
    };
  };
};
`;
  const source = `${file}.its`;
  await writeFile(source, text);
  await run("mkimage", [
    "-q",
    "-f",
    source,
    ...(await mkimageKey(keys.bootKey, keys.folder)),
    "-r",
    file,
  ]);
  await rm(source);
}

/** Bytes of each of the two copies of U-Boot's variables. */
const copy = 0x4000;

/** As libubootenv has them: CRC-32 over the text, a number that counts, the text. */
export function variables(values: Readonly<Record<string, string>>, number: number): Buffer {
  const bytes = Buffer.alloc(copy);
  const text = Object.entries(values).map(([name, value]) => `${name}=${value}\0`);
  bytes.write(text.join(""), 5);
  bytes.writeUInt8(number, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(5)), 0);
  return bytes;
}

/** Makes the partitions `select`, with the script, and `uboot-env`. */
export async function makeScript(out: string): Promise<void> {
  const select = join(out, "select.vfat");
  const folder = `${select}.files`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const source = join(root, "board/common/boot/uboot/boot.cmd");
  const how = ["-q", "-A", "arm64", "-T", "script", "-C", "none", "-n", "qkd"];
  await run("mkimage", [...how, "-d", source, join(folder, "boot.scr")]);
  const layout = { kib: 4_096, bits: 12, id: "514B4404", label: "QKD-SELECT" } as const;
  await makeFat(folder, select, { ...layout, date: epochSeconds() });
  await rm(folder, { recursive: true });
  // Slot b has nothing yet.
  const first = variables({ BOOT_ORDER: "a b", BOOT_a_LEFT: "3", BOOT_b_LEFT: "0" }, 1);
  await writeFile(join(out, "uboot-env.img"), Buffer.concat([first, Buffer.alloc(copy)]));
}

/** Packs a FIT for its partition: a block that tells how long it is, in text and, as U-Boot reads it, in sectors. */
export async function tellSectors(packed: string): Promise<void> {
  const bytes = await readFile(packed);
  bytes.writeUInt32LE(Math.ceil((bytes.length - 4_096) / 512), 4_092);
  await writeFile(packed, bytes);
}
