/** QEMU's machine "virt" with an image's disk: for `scripts/image boot`, and for the tests. */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError, run } from "./run.ts";

/** How a module is attached: a USB serial adapter, or a UART on the PCI bus. */
export interface AttachedModule {
  readonly id: string;
  readonly on: "usb" | "pci";
  /** Unix socket of the emulated module. */
  readonly socket: string;
  /** Serial number of the adapter. */
  readonly serial?: string;
  /** Its cable lies beside the board. */
  readonly unplugged?: boolean;
}

export interface MachineOptions {
  /** What a build left. */
  readonly image: string;
  /** The disk as it is in this machine: made upon the first start, kept after it. */
  readonly disk: string;
  /** The kernel straight away, which is quicker, or firmware and boot loader, as on hardware. */
  readonly start: "direct" | "firmware";
  /** More of the command line; only for `direct`, since firmware starts what was signed. */
  readonly cmdline?: string;
  /** With `firmware`: file of its variables, in which keys may be enrolled; made if missing. */
  readonly variables?: string;
  /** Firmware that checks signatures against the keys that Debian's packages have for tests. */
  readonly secure?: boolean;
  readonly modules?: readonly AttachedModule[];
  /** Socket of QEMU's monitor (QMP). */
  readonly monitor?: string;
  /** Socket of the port for tests. */
  readonly testPort?: string;
  /** Control socket of a TPM (`Tpm`); the kernel needs the module `tpm_tis`. */
  readonly tpm?: string;
  /** Where the console goes: `stdio`, or a file. */
  readonly console: string;
  /** Socket by which something is typed at the console; with a file only. */
  readonly typed?: string;
  readonly memoryMb?: number;
}

const firmware = {
  code: "/usr/share/AAVMF/AAVMF_CODE.fd",
  secureCode: "/usr/share/AAVMF/AAVMF_CODE.ms.fd",
  variables: "/usr/share/AAVMF/AAVMF_VARS.fd",
  /** With the keys enrolled that Debian gives to everybody, for tests. */
  secureVariables: "/usr/share/AAVMF/AAVMF_VARS.snakeoil.fd",
};

/** Makes what QEMU needs to be there, and returns its arguments. @throws ImageError */
export async function machineArguments(options: MachineOptions): Promise<string[]> {
  const { image, disk, memoryMb = 512 } = options;
  const base = join(image, "disk.img");
  if (!existsSync(base)) throw new ImageError(`no image in ${image}: scripts/image build`);
  if (!existsSync(disk)) {
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk]);
  }
  return [
    // One with PAN: for one without, the kernel changes page tables at every access to a program's memory.
    ...["-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", String(memoryMb)],
    ...["-accel", "tcg,thread=multi", "-nodefaults", "-display", "none"],
    ...consoleLine(options),
    ...(options.monitor === undefined
      ? []
      : ["-qmp", `unix:${options.monitor},server=on,wait=off`]),
    ...(await starting(options)),
    ...["-drive", `if=none,id=disk,file=${disk},format=qcow2,cache=writeback`],
    ...["-device", "virtio-blk-pci,drive=disk"],
    ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
    ...["-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb", "-device", "i6300esb"],
    ...(options.modules ?? []).flatMap(attach),
    ...(options.testPort === undefined ? [] : testPort(options.testPort)),
    ...(options.tpm === undefined ? [] : tpm(options.tpm)),
  ];
}

function tpm(socket: string): string[] {
  return [
    ...["-chardev", `socket,id=tpm-control,path=${socket}`],
    ...["-tpmdev", "emulator,id=tpm,chardev=tpm-control", "-device", "tpm-tis-device,tpmdev=tpm"],
  ];
}

function consoleLine({ console, typed }: MachineOptions): string[] {
  if (console === "stdio") return ["-serial", "stdio"];
  const line =
    typed === undefined
      ? `file,id=console,path=${console},append=on`
      : `socket,id=console,path=${typed},server=on,wait=off,logfile=${console},logappend=on`;
  return ["-chardev", line, "-serial", "chardev:console"];
}

async function starting(options: MachineOptions): Promise<string[]> {
  const { image, start, variables, secure, cmdline } = options;
  if (start === "direct") {
    const own = (await run("cat", [join(image, "cmdline")])).trim();
    const files = ["-kernel", join(image, "vmlinuz"), "-initrd", join(image, "initramfs.img")];
    return [...files, "-append", `${own} ${cmdline ?? ""}`.trim()];
  }
  if (variables === undefined) throw new ImageError("firmware needs a file for its variables");
  if (!existsSync(variables)) {
    const blank = secure ? firmware.secureVariables : firmware.variables;
    if (!existsSync(blank)) throw new ImageError("no firmware: apt-get install qemu-efi-aarch64");
    await copyFile(blank, variables);
  }
  const code = secure ? firmware.secureCode : firmware.code;
  const flash = (file: string, readonly: string) => [
    "-drive",
    `if=pflash,format=raw,file=${file}${readonly}`,
  ];
  return [...flash(code, ",readonly=on"), ...flash(variables, "")];
}

function attach({ id, on, socket, serial, unplugged = false }: AttachedModule): string[] {
  const line = `socket,id=${id}-line,path=${socket},server=off,reconnect=1`;
  const device =
    on === "usb"
      ? `usb-serial,id=${id},chardev=${id}-line,bus=usb.0,serial=${serial ?? id}`
      : `pci-serial,id=${id},chardev=${id}-line`;
  return ["-chardev", line, ...(unplugged ? [] : ["-device", device])];
}

function testPort(socket: string): string[] {
  return [
    ...["-device", "virtio-serial-pci,id=ports"],
    ...["-chardev", `socket,id=test-line,path=${socket},server=on,wait=off`],
    ...["-device", "virtserialport,bus=ports.0,chardev=test-line,name=qkd.test"],
  ];
}
