/** What is in a Debian package beside the production build: units, documents, control files. */
import { execFileSync } from "node:child_process";
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "../image.d/board.ts";
import { sizeOf } from "../image.d/rootfs.ts";
import { run } from "../image.d/run.ts";
import type { Architecture } from "../image.d/runtime.ts";
import { copyright, overrides, postinst, postrm, prerm } from "./texts.ts";

export interface PackageOptions {
  /** With Debian's revision. */
  readonly version: string;
  readonly architecture: Architecture;
  readonly maintainer: string;
  /** Of the sources, s since 1970. */
  readonly seconds: number;
  /** A build that runs here: it is asked for its help. */
  readonly host: string;
}

/** Of `systemd/`, and where they go. */
const units: readonly (readonly [string, string])[] = [
  ...["qkd-node", "qkd-km", "qkd-controller", "qkd-panel", "qkd-psk@"].map(
    (name) => [`${name}.service`, `lib/systemd/system/${name}.service`] as const,
  ),
  ["qkd-console.service", "lib/systemd/system/qkd-console.service"],
  ["qkd-console.path", "lib/systemd/system/qkd-console.path"],
  ["sysusers.conf", "usr/lib/sysusers.d/qkd-node.conf"],
  ["tmpfiles.conf", "usr/lib/tmpfiles.d/qkd-node.conf"],
  ["70-qkd-node.rules", "lib/udev/rules.d/70-qkd-node.rules"],
  ["modules-load/qkd-node.conf", "usr/lib/modules-load.d/qkd-node.conf"],
  // What changes the whole machine is for who runs it to take.
  ["sysctl/60-qkd-node.conf", "usr/share/doc/qkd-node/examples/60-qkd-node.conf"],
  ["journald/qkd-node.conf", "usr/share/doc/qkd-node/examples/journald.conf"],
  ["README.md", "usr/share/doc/qkd-node/README.md"],
];

/** Fills a tree that has the build in `usr/lib/qkd-node` already. @throws ImageError, system errors */
export async function fillTree(tree: string, options: PackageOptions): Promise<void> {
  const put = async (path: string, text: string | Buffer, mode = 0o644) => {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text, { mode });
    await chmod(join(tree, path), mode);
  };
  const doc = "usr/share/doc/qkd-node";
  const build = join(tree, "usr/lib/qkd-node");
  for (const [from, to] of units) {
    await mkdir(dirname(join(tree, to)), { recursive: true });
    await copyFile(join(root, "systemd", from), join(tree, to));
  }
  await mkdir(join(tree, "usr/bin"), { recursive: true });
  const programs = (await readdir(join(build, "bin"))).filter((name) => name !== "qkd-image");
  // Checks for an appliance's helpers alone.
  await rm(join(build, "bin/qkd-image"));
  await rm(join(build, "lib/qkd-image.cjs"));
  for (const name of programs) {
    await symlink(`../lib/qkd-node/bin/${name}`, join(tree, "usr/bin", name));
    await put(`usr/share/man/man1/${name}.1.gz`, packed(manPage(name, options)));
  }
  const licences = {
    ours: await readFile(join(root, "LICENSE"), "utf8"),
    npm: await readFile(join(build, "licences.txt"), "utf8"),
    node: await readFile(join(build, "runtime/LICENSE"), "utf8"),
  };
  await put(`${doc}/copyright`, copyright(licences));
  // All three are in it: Debian has them nowhere else.
  for (const name of ["LICENSE", "licences.txt", "runtime/LICENSE"]) await rm(join(build, name));
  await put(`${doc}/changelog.Debian.gz`, packed(changelog(options)));
  await put(`${doc}/changelog.gz`, packed(await readFile(join(root, "CHANGELOG.md"), "utf8")));
  await put("usr/share/lintian/overrides/qkd-node", overrides);
  await cp(join(root, "docs/examples"), join(tree, doc, "examples"), { recursive: true });
  await run("find", [tree, "-type", "d", "-exec", "chmod", "0755", "{}", "+"]);
  await run("find", [tree, "-type", "f", "-exec", "chmod", "go-w,u+rw,go+r", "{}", "+"]);
  await run("find", [join(build, "lib"), "-type", "f", "-exec", "chmod", "a-x", "{}", "+"]);
  const kib = Math.ceil((await sizeOf(tree)) / 1_024);
  await put("DEBIAN/control", control(options, kib));
  await put("DEBIAN/postinst", postinst, 0o755);
  await put("DEBIAN/prerm", prerm, 0o755);
  await put("DEBIAN/postrm", postrm, 0o755);
  await put("DEBIAN/md5sums", await md5sums(tree));
  const when = new Date(options.seconds * 1_000);
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await utimes(join(entry.parentPath, entry.name), when, when);
  }
}

function packed(text: string): Buffer {
  const made = gzipSync(text, { level: 9 });
  // Byte 9 tells which system packed it: the same everywhere.
  made[9] = 3;
  return made;
}

/** The control file. @param kib size of what is installed, KiB */
export function control(
  { version, architecture, maintainer }: PackageOptions,
  kib: number,
): string {
  return `Package: qkd-node
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${kib}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8), libudev1, libusb-1.0-0, systemd (>= 251)
Recommends: chrony | time-daemon
Suggests: mosquitto
Section: net
Priority: optional
Description: node, key manager and network controller for quantum key distribution
 Takes keys from QKD modules and brings each to its key manager exactly once
 (ITU-T Kq-1); a key manager that compares them with the other end and gives
 them to applications (ETSI GS QKD 014, SKIP); a controller that decides which
 way keys are relayed (ITU-T Q.4164); keys for WireGuard and strongSwan tunnels.
 .
 The programs run on a Node.js of their own, which is part of the package.
 Nothing is started by installing it.
`;
}

function changelog({ version, maintainer, seconds }: PackageOptions): string {
  const date = new Date(seconds * 1_000).toUTCString().replace("GMT", "+0000");
  return `qkd-node (${version}) unstable; urgency=medium

  * Release ${version.replace(/-.*$/, "")}: see changelog.gz.

 -- ${maintainer}  ${date}
`;
}

/** A page of what the program says of itself. */
function manPage(name: string, { version, seconds, host }: PackageOptions): string {
  const help = execFileSync(join(host, "bin", name), ["--help"], { encoding: "utf8" });
  const text = help
    .replace(/\\/g, "\\e")
    .replace(/-/g, "\\-")
    .replace(/^(['.])/gm, "\\&$1");
  const date = new Date(seconds * 1_000).toISOString().slice(0, 10);
  return `.TH ${name.toUpperCase()} 1 "${date}" "qkd-node ${version}"
.SH NAME
${name} \\- ${about[name] ?? "part of qkd\\-node"}
.SH DESCRIPTION
.nf
${text.trimEnd()}
.fi
.SH SEE ALSO
/usr/share/doc/qkd\\-node/README.md
`;
}

const about: Readonly<Record<string, string>> = {
  "qkd-node": "node controller of QKD modules",
  "qkd-km": "key manager for quantum key distribution",
  "qkd-controller": "network controller for quantum key distribution",
  "qkd-psk": "keys of quantum key distribution for tunnels",
  "qkd-panel": "front panel of a QKD node",
};

async function md5sums(tree: string): Promise<string> {
  const find = "find . -path ./DEBIAN -prune -o -type f -print | sort | sed 's,^\\./,,'";
  return run("sh", ["-c", `cd "$1" && ${find} | tr '\\n' '\\0' | xargs -0 md5sum`, "sh", tree]);
}
