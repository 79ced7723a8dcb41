/**
 * An appliance as far as a stick with the site's configuration is concerned: the image's own script and program,
 * with their folders elsewhere. What would be mounted is a folder, and the node starts if a test says so.
 */
import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { notTakenFile } from "../../src/ops/site/not-taken.ts";
import { programPath } from "./programs.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const script = path("../../board/common/rootfs_overlay/usr/lib/qkd-image/site");
const units = path("../../board/common/rootfs_overlay/usr/lib/systemd/system/");
const signer = path("../../scripts/site.d/main.ts");
const run = promisify(execFile);
const idle = ["umount", "networkctl", "chgrp", "sync"];

export const nodeId = "qkd-0123456789ab";

/** A site's configuration, and another that would have its keys. */
export const ours = { "node.toml": 'host = "km.operator"\n', "km-ca.crt": "CA of the operator\n" };
export const eves = { "node.toml": 'host = "192.168.66.6"\n', "km-ca.crt": "CA of Eve\n" };

export class SiteBench {
  readonly box = mkdtempSync(join(tmpdir(), "qkd-site-"));
  /** Of keys in the image; none of them is there at first. */
  readonly imageKeys = this.in("image/site-keys");
  readonly home = this.in("etc/qkd-node");
  readonly network = this.in("etc/systemd/network");
  /** The stick. */
  readonly stick = this.in("usb");
  readonly credentials = this.in("credentials");
  /** Without it the image's program is missing. */
  programThere = true;
  /** A command of the image's program that fails once all of it but its last words to the disk is done. */
  failing: string | undefined;

  constructor() {
    for (const folder of [
      ...["bin", "image", "etc/qkd-node", "etc/systemd/network", "usb", "credentials"],
      ...["run/qkd-panel", "run/qkd-console", "run/qkd-site", "run/qkd-site-take", "lib", "kept"],
    ]) {
      mkdirSync(this.in(folder), { recursive: true });
    }
    writeFileSync(join(this.home, "id"), `${nodeId}\n`);
    writeFileSync(join(this.home, "node.csr"), "csr\n");
    writeFileSync(this.in("kept/km.csr"), "km csr\n");
    writeFileSync(this.in("kept/controller.csr"), "controller csr\n");
    writeFileSync(join(this.credentials, "node.key"), "the node's private key");
    writeFileSync(join(this.credentials, "km.key"), "the key manager's private key");
    writeFileSync(join(this.credentials, "controller.key"), "the controller's private key");
    for (const name of idle) this.#program(`bin/${name}`, "exit 0");
    this.#program("bin/mount", `cp -R ${this.stick}/. ${this.in("run/qkd-site/stick")}/`);
    this.#program("bin/setpriv", 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"');
    this.#program(
      "bin/systemctl",
      [
        `echo "$*" >>${this.in("did")}`,
        'case $1 in restart) ;; show) basename "$4" .service; exit ;; *) exit 0 ;; esac',
        // The script, which is in the midst of a trial then.
        `[ ! -e ${this.in("cut")} ] || kill -KILL $PPID`,
        // The program that does not start, or any of them.
        `case $* in *$(cat ${this.in("broken")} 2>/dev/null || echo none)*) exit 1 ;; esac`,
      ].join("\n"),
    );
    this.#program(
      "bin/journalctl",
      'case $1 in *INVOCATION_ID=*) echo "$1: bad.toml:1: not TOML" | cut -d = -f 2 ;; esac',
    );
    const text = readFileSync(script, "utf8")
      .replaceAll("/run/", `${this.in("run")}/`)
      .replaceAll("/etc/qkd-node", this.home)
      .replaceAll("/etc/systemd/network", this.network)
      .replaceAll("/var/lib/qkd-image", this.in("kept"))
      .replaceAll("/usr/lib/qkd-image", this.in("image"))
      .replaceAll("/usr/lib/qkd-node/bin", this.in("lib"))
      .replace("sleep 1", "sleep 0");
    writeFileSync(this.in("site"), text);
  }

  /** What a unit of an image has in its environment. */
  get environment() {
    return { QKD_SITE: this.home, CREDENTIALS_DIRECTORY: this.credentials };
  }

  in(relative: string): string {
    return join(this.box, relative);
  }

  /** Whether programs do not start; or the one that does not. */
  set broken(on: boolean | string) {
    if (on !== false) writeFileSync(this.in("broken"), on === true ? "" : on);
    else rmSync(this.in("broken"), { force: true });
  }

  /** Whether what takes a configuration is killed once the new one is in force. */
  set cut(on: boolean) {
    if (on) writeFileSync(this.in("cut"), "");
    else rmSync(this.in("cut"), { force: true });
  }

  /** The machine starts anew, as far as `qkd-untried.service` is concerned. @returns what is on the console */
  async start(): Promise<string> {
    rmSync(this.in("run/qkd-site-take"), { recursive: true, force: true });
    return this.startUnit("qkd-untried.service");
  }

  /** What systemd does with the unit of the image, if its conditions hold. @returns what it says */
  async startUnit(name: string): Promise<string> {
    const unit = readFileSync(join(units, name), "utf8");
    const here = (file = "") => this.in(file.slice(1));
    const link = here(/^ConditionPathIsSymbolicLink=(.*)$/m.exec(unit)?.[1]);
    const no = here(/^ConditionPathExists=!(.*)$/m.exec(unit)?.[1]);
    if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() || existsSync(no)) return "";
    const command = /^ExecStart=\/usr\/lib\/qkd-node\/bin\/qkd-image (.*)$/m.exec(unit)?.[1];
    const args = [...(command ?? "").split(" "), "--home", this.home, "--network", this.network];
    return (await run(programPath("qkd-image"), args)).stdout;
  }

  /** What systemd runs at the end of `qkd-site-take.service`, however that ended. */
  async settle(): Promise<void> {
    const unit = readFileSync(join(units, "qkd-site-take.service"), "utf8");
    const word = /^ExecStopPost=\/usr\/lib\/qkd-image\/site (\w+)$/m.exec(unit)?.[1];
    await run("sh", [this.in("site"), word ?? ""], { env: this.#env });
  }

  /** What the script left to be told to the stick; undefined: nothing. */
  get result(): string | undefined {
    const file = this.in("run/qkd-site-take/result");
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  }

  /** Turns the panel's key to maintenance, or back. */
  turn(on: boolean): void {
    const file = this.in("run/qkd-panel/maintenance");
    if (!on) return rmSync(file, { force: true });
    writeFileSync(file, "");
    // The panel's process renews it: here whenever it is looked at, since a test may be slower than it is fresh.
    this.#program("bin/stat", `touch -c ${file}\ncommand -p stat "$@"`);
  }

  /** Puts files onto the stick, instead of what was there. */
  put(files: Readonly<Record<string, string>>): void {
    rmSync(this.stick, { recursive: true });
    mkdirSync(join(this.stick, "site"), { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const file = join(this.stick, "site", name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  /** Makes a signing key. @returns its line for `site-keys` */
  async key(id: string): Promise<string> {
    await this.tool("keygen", this.in(id));
    return readFileSync(this.in(`${id}.pub`), "utf8");
  }

  /** Signs what is on the stick. */
  async sign(id: string, serial: number, node = nodeId): Promise<void> {
    const key = ["--key", this.in(`${id}.key`), "--serial", String(serial), "--node", node];
    await this.tool("sign", join(this.stick, "site"), ...key);
  }

  /** `scripts/site`. */
  async tool(...args: readonly string[]): Promise<string> {
    return (await run(process.execPath, [signer, ...args])).stdout;
  }

  /** Plugs the stick in. @returns what is in its `result.txt` afterwards */
  async plug(): Promise<string> {
    rmSync(this.in("run/qkd-site"), { recursive: true });
    mkdirSync(this.in("run/qkd-site"));
    const image = this.in("lib/qkd-image");
    rmSync(image, { force: true });
    if (this.programThere) {
      const program = `${programPath("qkd-image")} "$@"`;
      const failing = `[ "$1" != "${this.failing}" ] || { ${program}; echo EIO; exit 1; }`;
      this.#program("lib/qkd-image", `${failing}\nexec ${program}`);
    }
    await run("sh", [this.in("site"), "/dev/sda1"], { env: this.#env });
    return readFileSync(this.in("run/qkd-site/stick/result.txt"), "utf8");
  }

  /** All that is on the data partition but the note of what was not taken: contents of files, targets of links. */
  shown(): Record<string, string> {
    const shown: Record<string, string> = {};
    for (const top of ["etc/qkd-node", "etc/systemd/network"]) {
      for (const entry of readdirSync(this.in(top), { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        const name = file.slice(this.box.length + 1);
        if (entry.name === notTakenFile) continue;
        if (entry.isSymbolicLink()) shown[name] = `-> ${readlinkSync(file)}`;
        else if (entry.isFile()) shown[name] = readFileSync(file, "latin1");
      }
    }
    return shown;
  }

  /** What was done to services. */
  get did(): string[] {
    return existsSync(this.in("did")) ? readFileSync(this.in("did"), "utf8").split("\n") : [];
  }

  /** Another machine's disk in this state. */
  copyHome(to: string): void {
    cpSync(this.home, to, { recursive: true, verbatimSymlinks: true });
  }

  close(): void {
    rmSync(this.box, { recursive: true, force: true });
  }

  get #env() {
    const PATH = `${this.in("bin")}:${process.env.PATH}`;
    return { PATH, CREDENTIALS_DIRECTORY: this.credentials };
  }

  #program(name: string, text: string): void {
    writeFileSync(this.in(name), `#!/bin/sh\n${text}\n`);
    chmodSync(this.in(name), 0o755);
  }
}
