/** QEMU with an image's disk: for `scripts/image boot`, and for the tests. */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "./board.ts";
import { ImageError, run } from "./run.ts";

/** Machines that QEMU has for a board; "uboot" is "virt" with another boot loader. */
export type Emulator = NonNullable<Board["emulator"]>;

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
  /** Default `virt`. */
  readonly emulator?: Emulator;
  /** What a build left. */
  readonly image: string;
  /** The disk as it is in this machine: made upon the first start, kept after it. */
  readonly disk: string;
  /** The disk is there, whole, as it was flashed. */
  readonly flashed?: boolean;
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
  /**
   * Time goes on in it by instructions, 500 million a second, and not by the host's clock, unless it has nothing to do:
   * on a busy host it is slow, and none of its own deadlines passes for that. Its processors take turns.
   */
  readonly ownTime?: boolean;
}

const firmware = {
  code: "/usr/share/AAVMF/AAVMF_CODE.fd",
  secureCode: "/usr/share/AAVMF/AAVMF_CODE.ms.fd",
  variables: "/usr/share/AAVMF/AAVMF_VARS.fd",
  uboot: "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
  /** With the keys enrolled that Debian gives to everybody, for tests. */
  secureVariables: "/usr/share/AAVMF/AAVMF_VARS.snakeoil.fd",
};

/** Makes what QEMU needs to be there, and returns its arguments. @throws ImageError */
export async function machineArguments(options: MachineOptions): Promise<string[]> {
  const { image, disk, emulator = "virt" } = options;
  const base = join(image, "disk.img");
  if (options.flashed !== true && !existsSync(base))
    throw new ImageError(`no image in ${image}: scripts/image build`);
  if (!existsSync(disk)) {
    // An SD card's size is a power of two.
    const size = emulator === "raspi3b" ? ["2G"] : [];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk, ...size]);
  }
  const monitor = options.monitor;
  const common = [
    ...["-nodefaults", "-display", "none"],
    ...(options.ownTime === true
      ? ["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=on"]
      : ["-accel", "tcg,thread=multi"]),
    ...(monitor === undefined ? [] : ["-qmp", `unix:${monitor},server=on,wait=off`]),
    ...(await starting(options)),
  ];
  return emulator === "raspi3b" ? pi(options, common) : virt(options, common);
}

function virt(options: MachineOptions, common: readonly string[]): string[] {
  const { disk, memoryMb = 512 } = options;
  return [
    // One with PAN: for one without, the kernel changes page tables at every access to a program's memory.
    ...["-M", "virt", "-cpu", "cortex-a76", "-smp", "2", "-m", String(memoryMb)],
    ...common,
    ...consoleLine(options),
    // The firmware does not wait at its menu: that would be five seconds.
    ...["-boot", "menu=on,splash-time=1"],
    ...[
      "-drive",
      `if=none,id=disk,file=${disk},format=${options.flashed ? "raw" : "qcow2"},cache=writeback`,
    ],
    ...["-device", "virtio-blk-pci,drive=disk"],
    ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="],
    ...["-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb", "-device", "i6300esb"],
    ...(options.modules ?? []).flatMap((one) => attach(one, "usb.0")),
    ...(options.testPort === undefined ? [] : testPort(options.testPort)),
    ...(options.tpm === undefined ? [] : tpm(options.tpm)),
  ];
}

/** Its first UART is the port for tests, its second one the console; all else is on its one USB controller. */
function pi(options: MachineOptions, common: readonly string[]): string[] {
  const { disk, testPort } = options;
  const first =
    testPort === undefined
      ? ["-serial", "null"]
      : [
          ...["-chardev", `socket,id=test-line,path=${testPort},server=on,wait=off`],
          ...["-serial", "chardev:test-line"],
        ];
  return [
    ...["-M", "raspi3b", ...common, ...first, ...consoleLine(options)],
    ...["-drive", `if=sd,file=${disk},format=qcow2,cache=writeback`],
    ...["-netdev", "user,id=net", "-device", "usb-net,netdev=net,bus=usb-bus.0"],
    ...(options.modules ?? []).flatMap((one) => attach(one, "usb-bus.0")),
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
  if (start === "direct" || options.emulator === "raspi3b") {
    const own = (await run("cat", [join(image, "cmdline")])).trim();
    const files = ["-kernel", join(image, "vmlinuz"), "-initrd", join(image, "initramfs.img")];
    // The Pi's own firmware cannot be emulated.
    const tree = options.emulator === "raspi3b" ? ["-dtb", join(image, "board.dtb")] : [];
    return [...files, ...tree, "-append", `${own} ${cmdline ?? ""}`.trim()];
  }
  if (options.emulator === "uboot") {
    if (!existsSync(firmware.uboot)) throw new ImageError("no U-Boot: apt-get install u-boot-qemu");
    return ["-bios", firmware.uboot];
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

function attach(
  { id, on, socket, serial, unplugged = false }: AttachedModule,
  usb: string,
): string[] {
  const line = `socket,id=${id}-line,path=${socket},server=off,reconnect=1`;
  const device =
    on === "usb"
      ? `usb-serial,id=${id},chardev=${id}-line,bus=${usb},serial=${serial ?? id}`
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
