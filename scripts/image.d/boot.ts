/** `scripts/image boot`: the image on an emulated board, with its console here. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type AttachedModule, type Emulator, machineArguments } from "./machine.ts";
import { ImageError, need } from "./run.ts";
import { monitorOf, stickParts } from "./stick.ts";
import { Tpm } from "./tpm.ts";

export interface BootOptions {
  readonly image: string;
  readonly firmware: boolean;
  readonly emulator: Emulator;
  /** Folder of `scripts/emulator --transport socket`. */
  readonly modules: string | undefined;
  /** A disk image with the label QKD-SITE. */
  readonly stick: string | undefined;
  /** Give it a TPM, whose state is kept beside the disk. */
  readonly tpm: boolean;
  /** Begin with a blank disk again. */
  readonly blank: boolean;
  /** A disk that was flashed, or a file that stands for one: it is started as hardware would, and written to. */
  readonly flashed: string | undefined;
}

/** Runs it until it is switched off, or Ctrl-C. @returns an exit code */
export async function boot({
  image,
  emulator,
  firmware,
  modules,
  stick,
  tpm,
  blank,
  flashed,
}: BootOptions): Promise<number> {
  need("qemu-system-aarch64");
  if (flashed !== undefined && !existsSync(flashed)) throw new ImageError(`no ${flashed}`);
  if (flashed !== undefined && emulator === "raspi3b") {
    throw new ImageError(
      "the Raspberry Pi's firmware cannot be emulated: a flashed disk is for the board",
    );
  }
  const disk = flashed ?? join(image, "board.qcow2");
  const variables = join(image, "board.vars");
  const tpmState = join(image, "tpm");
  if (blank) {
    if (flashed !== undefined) throw new ImageError(`--blank: flash ${flashed} again instead`);
    for (const path of [disk, variables, tpmState]) rmSync(path, { recursive: true, force: true });
  }
  mkdirSync(image, { recursive: true });
  const chip = tpm ? await Tpm.start(tpmState) : undefined;
  const args = await machineArguments({
    image,
    emulator,
    disk,
    ...(flashed !== undefined && { flashed: true }),
    variables,
    // The kernel is on the flashed disk, and need not be the one that was built here.
    start: firmware || flashed !== undefined ? "firmware" : "direct",
    cmdline: "systemd.show_status=true",
    monitor: monitorOf(image),
    console: "stdio",
    modules: modules === undefined ? [] : attached(modules, emulator),
    ...(chip !== undefined && { tpm: chip.socket }),
  });
  if (stick !== undefined) {
    const { block, device } = stickParts(stick, emulator);
    args.push("-blockdev", JSON.stringify(block), "-device", JSON.stringify(device));
  }
  process.stderr.write("the board's console; Ctrl-C takes the power away\n");
  const child = spawn("qemu-system-aarch64", args, { stdio: "inherit" });
  return new Promise<number>((resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const)
      process.on(signal, () => child.kill("SIGTERM"));
    child.once("error", (error) => reject(new ImageError(error.message)));
    child.once("close", (code) => resolve(code ?? 0));
  }).finally(() => chip?.stop());
}

function attached(folder: string, emulator: Emulator): AttachedModule[] {
  const socket = (name: string) => {
    const path = join(folder, `${name}.sock`);
    if (!existsSync(path)) {
      throw new ImageError(`no ${path}: scripts/emulator ${folder} --transport socket`);
    }
    return path;
  };
  return [
    { id: "alice", on: "usb", serial: "QKD-A-0001", socket: socket("alice") },
    emulator === "raspi3b"
      ? { id: "bob", on: "usb", serial: "QKD-B-0001", socket: socket("bob") }
      : { id: "bob", on: "pci", socket: socket("bob") },
  ];
}
