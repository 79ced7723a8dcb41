/** Other programs, run one after the other, and what a person sees of it. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Something that a person has to know or mend; its message is all that is printed. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Its output goes where ours goes. */
  readonly show?: boolean;
}

/** Everything that programs make is of this time, in seconds, so that a rebuild is bit-identical. */
let epoch = "0";

export function setEpoch(seconds: number): void {
  epoch = String(seconds);
}

export function epochSeconds(): number {
  return Number(epoch);
}

/** Runs a program to its end. @returns its standard output. @throws ImageError if it fails */
export function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: {
        ...process.env,
        PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`,
        LC_ALL: "C.UTF-8",
        TZ: "UTC",
        SOURCE_DATE_EPOCH: epoch,
        // RAUC has a name of its own for the module of a token.
        ...(process.env.PKCS11_MODULE_PATH !== undefined && {
          RAUC_PKCS11_MODULE: process.env.PKCS11_MODULE_PATH,
        }),
        ...options.env,
      },
      stdio: ["pipe", options.show ? "inherit" : "pipe", options.show ? "inherit" : "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (chunk) => out.push(chunk));
    child.stderr?.on("data", (chunk) => err.push(chunk));
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
    child.once("error", (error) =>
      reject(new ImageError(`cannot run ${program}: ${error.message}`)),
    );
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString("utf8"));
      const said = Buffer.concat(err.length > 0 ? err : out)
        .toString("utf8")
        .trim();
      const how = code === null ? String(signal) : `exit code ${code}`;
      reject(new ImageError(`${program} failed (${how})${said === "" ? "" : `:\n${said}`}`));
    });
  });
}

/** Programs that steps need, and the Debian package that has each. */
const packages: Readonly<Record<string, string>> = {
  "aarch64-linux-gnu-objcopy": "binutils-aarch64-linux-gnu",
  "apt-get": "apt",
  depmod: "kmod",
  "dpkg-deb": "dpkg",
  dtc: "device-tree-compiler",
  faketime: "faketime",
  genimage: "genimage",
  mcopy: "mtools",
  mkimage: "u-boot-tools",
  "mkfs.vfat": "dosfstools",
  mksquashfs: "squashfs-tools",
  npm: "npm",
  openssl: "openssl",
  "qemu-aarch64": "qemu-user",
  "qemu-system-aarch64": "qemu-system-arm",
  rauc: "rauc",
  sbsign: "sbsigntool",
  sfdisk: "fdisk",
  swtpm: "swtpm",
  systemctl: "systemd",
  "systemd-sysusers": "systemd",
  veritysetup: "cryptsetup-bin",
  zstd: "zstd",
};

/** @throws ImageError that says what to install */
export function need(...programs: readonly string[]): void {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const missing = programs.filter(
    (program) => !folders.some((folder) => runs(join(folder, program))),
  );
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((program) => packages[program] ?? program))];
  throw new ImageError(
    `not installed: ${missing.join(", ")}\nOn Debian: apt-get install ${names.join(" ")}`,
  );
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Does one step; a person sees its name, then how long it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const live = process.stderr.isTTY;
  if (live) process.stderr.write(`      …  ${name}`);
  const result = await work();
  const seconds = ((performance.now() - began) / 1_000).toFixed(1).padStart(5);
  process.stderr.write(`${live ? "\r" : ""} ${seconds} s  ${name}\n`);
  return result;
}
