/** The root file system: unpacked packages, less what is not used, and our own files over them. */
import { existsSync, globSync } from "node:fs";
import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Board, root as project } from "./board.ts";
import { debFile, type Lock } from "./packages.ts";
import { ImageError, run } from "./run.ts";

const merged = ["bin", "sbin", "lib"];
const folders = [
  "data",
  "dev",
  "etc",
  "proc",
  "root",
  "run",
  "sys",
  "tmp",
  "var",
  "home",
  "srv",
  "efi",
];

/** Unpacks all packages but the kernel's. None of their scripts is run: nothing depends on a moment. */
export async function unpack(lock: Lock, root: string): Promise<void> {
  for (const name of merged) {
    await mkdir(join(root, "usr", name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
  for (const one of lock.packages) {
    if (!one.name.startsWith("linux-image-")) await unpackOne(debFile(one), root);
  }
}

/** Unpacks the kernel's package. */
export async function unpackKernel(lock: Lock, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const one of lock.packages) {
    if (one.name.startsWith("linux-image-")) await unpackOne(debFile(one), root);
  }
}

async function unpackOne(deb: string, root: string): Promise<void> {
  // --keep-directory-symlink: /lib is a link, also where a package says it is a folder.
  const tar = "tar -x --keep-directory-symlink --no-same-owner -p";
  await run("sh", ["-c", `dpkg-deb --fsys-tarfile "$1" | ${tar} -C "$2"`, "sh", deb, root]);
}

/** Leaves out what the appliance has no use for, and every set-user-ID bit. */
export async function prune(board: Board, root: string): Promise<void> {
  for (const pattern of board.remove) {
    for (const path of globSync(braces(pattern).map((one) => join(root, one)))) {
      await rm(path, { recursive: true, force: true });
    }
  }
  await run("find", [root, "-type", "f", "-perm", "/6000", "-exec", "chmod", "a-s", "{}", "+"]);
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
}

/** `a/{b,c}` as `a/b` and `a/c`. */
function braces(pattern: string): string[] {
  const found = /^(.*?)\{([^}]*)\}(.*)$/.exec(pattern);
  if (found === null) return [pattern];
  const [, head = "", list = "", tail = ""] = found;
  return list.split(",").flatMap((one) => braces(`${head}${one}${tail}`));
}

/** What is ours: the build, units, the boards' overlays. */
export async function overlay(board: Board, root: string, build: string): Promise<void> {
  const systemd = join(project, "systemd");
  const copies: readonly (readonly [string, string])[] = [
    [build, "usr/lib/qkd-node"],
    [join(systemd, "qkd-node.service"), "usr/lib/systemd/system/qkd-node.service"],
    [join(systemd, "qkd-km.service"), "usr/lib/systemd/system/qkd-km.service"],
    [join(systemd, "qkd-controller.service"), "usr/lib/systemd/system/qkd-controller.service"],
    [join(systemd, "qkd-panel.service"), "usr/lib/systemd/system/qkd-panel.service"],
    [join(systemd, "qkd-console.service"), "usr/lib/systemd/system/qkd-console.service"],
    [join(systemd, "qkd-console.path"), "usr/lib/systemd/system/qkd-console.path"],
    [join(systemd, "sysusers.conf"), "usr/lib/sysusers.d/qkd-node.conf"],
    [join(systemd, "tmpfiles.conf"), "usr/lib/tmpfiles.d/qkd-node.conf"],
    [join(systemd, "70-qkd-node.rules"), "usr/lib/udev/rules.d/70-qkd-node.rules"],
    [join(systemd, "journald"), "usr/lib/systemd/journald.conf.d"],
    [join(systemd, "chrony/qkd-node.conf"), "etc/chrony/chrony.conf"],
    [join(systemd, "network"), "usr/lib/systemd/network"],
    [join(systemd, "sysctl"), "usr/lib/sysctl.d"],
    [join(systemd, "README.md"), "usr/share/doc/qkd-node/README.md"],
    ...board.fileOverlays.map((folder) => [folder, ""] as const),
  ];
  for (const [from, to] of copies) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await cp(from, join(root, to), { recursive: true, verbatimSymlinks: true, force: true });
  }
  for (const name of await readdir(join(build, "bin"))) {
    await symlink(`../lib/qkd-node/bin/${name}`, join(root, "usr/bin", name));
  }
  const post = join(board.folder, "post_build");
  if (existsSync(post)) await run(post, [root]);
}

/** Users with numbers that never change; root's password and everybody's are locked. */
export async function users(board: Board, root: string): Promise<void> {
  const master = join(root, "usr/share/base-passwd");
  const passwd = await readFile(join(master, "passwd.master"), "utf8");
  const kept = passwd.split("\n").filter((line) => /^(root|daemon|nobody):/.test(line));
  await writeFile(
    join(root, "etc/passwd"),
    `${kept.join("\n").replace(/\/bin\/bash/g, "/usr/sbin/nologin")}\n`,
  );
  await cp(join(master, "group.master"), join(root, "etc/group"));
  await rm(master, { recursive: true });
  const fixed = [
    ...Object.entries(board.groups).map(([name, id]) => `g ${name} ${id}\n`),
    ...Object.entries(board.users).map(([name, id]) => `u ${name} ${id} - - -\n`),
  ];
  await writeFile(join(root, "usr/lib/sysusers.d/00-fixed.conf"), fixed.join(""));
  await run("systemd-sysusers", [`--root=${root}`]);
  const all = (await readFile(join(root, "etc/passwd"), "utf8")).trim().split("\n");
  const shadow = all.map((line) => `${line.split(":")[0]}:!*:1:0:99999:7:::\n`);
  await rm(join(root, "etc/shadow"), { force: true });
  await writeFile(join(root, "etc/shadow"), shadow.join(""), { mode: 0o600 });
  for (const name of ["gshadow", ".pwd.lock", "passwd-", "group-", "shadow-", "gshadow-"]) {
    await rm(join(root, "etc", name), { force: true });
  }
}

/** Which units are started: those the board names, and nothing that a package brought. */
export async function presets(board: Board, root: string): Promise<void> {
  const folder = join(root, "usr/lib/systemd/system-preset");
  await rm(folder, { recursive: true, force: true });
  await rm(join(root, "etc/systemd/system"), { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const lines = [...board.enable.map((unit) => `enable ${unit}\n`), "disable *\n"];
  await writeFile(join(folder, "00-qkd.preset"), lines.join(""));
  // There are units that the distribution links by itself; of these too only ours are kept.
  await run("systemctl", [`--root=${root}`, "preset-all"]);
  for (const unit of board.mask) {
    const path = join(root, "etc/systemd/system", unit);
    await rm(path, { force: true });
    await symlink("/dev/null", path);
    // Nor does anything ask for it: systemd reads each unit that is asked for.
    const wants = globSync(join(root, "usr/lib/systemd/system/*.wants", unit));
    for (const link of wants) await rm(link);
  }
  // No seat, no screen: what graphical.target would add to it is not there.
  const first = join(root, "usr/lib/systemd/system/default.target");
  await rm(first, { force: true });
  await symlink("multi-user.target", first);
}

/**
 * Only an emulated board answers to tests.
 * @param cmdline more words of the kernel's command line
 * @throws ImageError if the image of a real one would
 */
export function noTestService(board: Board, root: string, cmdline: readonly string[]): void {
  if (board.emulator !== undefined) return;
  const found = globSync(join(root, "usr/lib/{qkd-image,systemd/system}/*test-port*"));
  if (found.length > 0 || cmdline.includes("qkd.test")) {
    throw new ImageError(`${board.title} is no emulated board: its image has no service for tests`);
  }
}

export interface Identity {
  readonly version: string;
  readonly board: Board;
  /** Signed by keys that were made for the bench. */
  readonly development: boolean;
}

/** What the image says of itself. */
export async function identify(root: string, identity: Identity): Promise<void> {
  const { version, board, development } = identity;
  const lines = {
    ID: "qkd-node",
    ID_LIKE: "debian",
    NAME: '"qkd-node"',
    PRETTY_NAME: `"qkd-node ${version} (${board.title}${development ? ", development" : ""})"`,
    ...(development && { VARIANT: '"Development"', VARIANT_ID: "development" }),
    VERSION_ID: version,
    IMAGE_ID: board.compatible,
    IMAGE_VERSION: version,
  };
  const text = Object.entries(lines).map(([name, value]) => `${name}=${value}\n`);
  await rm(join(root, "etc/os-release"), { force: true });
  await writeFile(join(root, "usr/lib/os-release"), text.join(""));
  await symlink("../usr/lib/os-release", join(root, "etc/os-release"));
  await writeFile(join(root, "etc/machine-id"), "");
  await writeFile(join(root, "etc/hostname"), "qkd-node\n");
  for (const name of ["issue", "issue.net", "motd", "debian_version"])
    await rm(join(root, "etc", name), { force: true });
}

/** Folders that may be written to exist as mount points, and nothing is in them. */
export async function mountPoints(root: string): Promise<void> {
  const list = await readFile(join(root, "usr/lib/qkd-image/persistent"), "utf8");
  for (const line of list.split("\n")) {
    const [path = ""] = line.split(" ");
    if (!path.startsWith("/")) continue;
    await rm(join(root, path), { recursive: true, force: true });
    await mkdir(join(root, path), { recursive: true });
  }
}

/** Every folder may be entered, every file read, whatever the builder's umask; not the secrets. */
export async function modes(root: string): Promise<void> {
  await run("find", [root, "-type", "d", "-exec", "chmod", "0755", "{}", "+"]);
  await run("find", [root, "-type", "f", "-exec", "chmod", "go-w,u+rw,go+r", "{}", "+"]);
  await chmod(join(root, "tmp"), 0o1777);
  await chmod(join(root, "etc/shadow"), 0o600);
}

/** Size of a tree, bytes. */
export async function sizeOf(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  let total = 0;
  for (const entry of entries) {
    if (entry.isFile()) total += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return total;
}
