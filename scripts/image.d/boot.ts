/** `scripts/image boot`: the image on an emulated board, with its console here. */
import { spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type AttachedModule, machineArguments } from "./machine.ts";
import { ImageError, need } from "./run.ts";
import { Tpm } from "./tpm.ts";

export interface BootOptions {
  readonly image: string;
  readonly firmware: boolean;
  /** Folder of `scripts/emulator --transport socket`. */
  readonly modules: string | undefined;
  /** A disk image with the label QKD-SITE. */
  readonly stick: string | undefined;
  /** Give it a TPM, whose state is kept beside the disk. */
  readonly tpm: boolean;
  /** Begin with a blank disk again. */
  readonly blank: boolean;
}

/** Runs it until it is switched off, or Ctrl-C. @returns an exit code */
export async function boot({
  image,
  firmware,
  modules,
  stick,
  tpm,
  blank,
}: BootOptions): Promise<number> {
  need("qemu-system-aarch64");
  const disk = join(image, "board.qcow2");
  const variables = join(image, "board.vars");
  const tpmState = join(image, "tpm");
  if (blank) {
    for (const path of [disk, variables, tpmState]) rmSync(path, { recursive: true, force: true });
  }
  const chip = tpm ? await Tpm.start(tpmState) : undefined;
  const args = await machineArguments({
    image,
    disk,
    variables,
    start: firmware ? "firmware" : "direct",
    cmdline: "systemd.show_status=true",
    console: "stdio",
    modules: modules === undefined ? [] : attached(modules),
    ...(chip !== undefined && { tpm: chip.socket }),
  });
  if (stick !== undefined) {
    args.push("-drive", `if=none,id=stick,format=raw,file=${stick}`);
    args.push("-device", "usb-storage,drive=stick,bus=usb.0");
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

function attached(folder: string): AttachedModule[] {
  const socket = (name: string) => {
    const path = join(folder, `${name}.sock`);
    if (!existsSync(path)) {
      throw new ImageError(`no ${path}: scripts/emulator ${folder} --transport socket`);
    }
    return path;
  };
  return [
    { id: "alice", on: "usb", serial: "QKD-A-0001", socket: socket("alice") },
    { id: "bob", on: "pci", socket: socket("bob") },
  ];
}
