/** The Debian packages: lintian has nothing against them, their programs run, and made again they are the same. */
import { execFileSync, spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { readBoard } from "../../scripts/image.d/board.ts";
import { debFile, fetchPackages, readLock } from "../../scripts/image.d/packages.ts";
import { softwareVersion } from "../../src/base/version.ts";
import { testWith } from "../needs.ts";
import { billProblems } from "../rig/bill-check.ts";

const tool = fileURLToPath(new URL("../../scripts/deb.d/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "qkd-deb-"));
const programs = ["qkd-node", "qkd-km", "qkd-controller", "qkd-psk"];
const maintainer = "QKD node <packages@qkd-node.org>";

function make(out: string, architecture: "amd64" | "arm64" = "amd64"): string {
  const how = ["--arch", architecture, "--out", join(folder, out), "--maintainer", maintainer];
  const args = [tool, ...how];
  return execFileSync(process.execPath, args, { encoding: "utf8", stdio: "pipe" }).trim();
}

let [file, forArm] = ["", ""];
test.before(() => {
  file = make("one");
  forArm = make("one", "arm64");
});
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test.serial("its programs run from where it puts them, and its bill is good", async (t) => {
  const root = join(folder, "root");
  execFileSync("dpkg-deb", ["-x", file, root]);
  for (const name of programs) {
    const { stdout, status } = spawnSync(join(root, "usr/bin", name), ["--version"], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin" },
    });
    t.is(status, 0, name);
    t.regex(stdout, new RegExp(softwareVersion.replaceAll(".", "\\.")), name);
  }
  const bill = readFileSync(join(root, "usr/lib/qkd-node/sbom.cdx.json"), "utf8");
  t.deepEqual(await billProblems(bill), []);
});

testWith("lintian", "lintian finds no error, and nothing to warn of", (t, lintian) => {
  const said = spawnSync(lintian, ["--allow-root", file, forArm], { encoding: "utf8" });
  t.is(said.stdout, "", said.stderr);
  t.is(said.status, 0, said.stderr);
});

test.serial("made again it is the same, bit by bit", (t) => {
  t.true(readFileSync(file).equals(readFileSync(make("two"))));
});

/** Newest version of a library's symbols that a program asks for: `GLIBC`, `GLIBCXX`. */
function newest(readelf: string, program: string, symbols: string): number {
  const text = execFileSync(readelf, ["-V", program], { encoding: "utf8", maxBuffer: 1e8 });
  const found = [...text.matchAll(new RegExp(`Name: ${symbols}_([0-9.]+)`, "g"))];
  return Math.max(0, ...found.map(([, version = ""]) => Number(version.split(".").at(-1))));
}

testWith(
  "readelf",
  "the one for arm64 has programs for it alone, of libraries that it depends on",
  (t, readelf) => {
    const root = join(folder, "arm64");
    execFileSync("dpkg-deb", ["-x", forArm, root]);
    const library = join(root, "usr/lib/qkd-node");
    const compiled = globSync(["runtime/node", "lib/addons/**/*.node"], { cwd: library });
    t.is(compiled.length, 4);
    const packages: Readonly<Record<string, string>> = {
      "libudev.so.1": "libudev1",
      "libusb-1.0.so.0": "libusb-1.0-0",
      "libstdc++.so.6": "libstdc++6",
      "libgcc_s.so.1": "libgcc-s1",
    };
    const depends = execFileSync("dpkg-deb", ["-f", forArm, "Depends"], { encoding: "utf8" });
    for (const name of compiled) {
      const program = join(library, name);
      const head = execFileSync(readelf, ["-h", "-d", program], { encoding: "utf8" });
      t.regex(head, /Machine: +AArch64/, name);
      for (const [, needed = ""] of head.matchAll(/NEEDED.*\[(.*)\]/g)) {
        const of =
          packages[needed] ??
          (/^(lib(c|m|dl|pthread|rt)|ld-linux-aarch64)\.so/.test(needed) ? "libc6" : needed);
        t.true(depends.includes(of), `${name}: ${needed}`);
      }
      // libc6 (>= 2.28); libstdc++6 (>= 8) has those up to 3.4.25.
      t.true(newest(readelf, program, "GLIBC") <= 28, name);
      t.true(newest(readelf, program, "GLIBCXX") <= 25, name);
    }
  },
);

testWith("qemu-aarch64", "its programs run, with Debian's libraries for arm64", async (t, qemu) => {
  const root = join(folder, "arm64-run");
  execFileSync("dpkg-deb", ["-x", forArm, root]);
  const lock = readLock(readBoard("qemu/virt"));
  const wanted = ["libc6", "libgcc-s1", "libstdc++6", "libudev1", "libusb-1.0-0"];
  const packages = lock.packages.filter(({ name }) => wanted.includes(name));
  t.is(packages.length, wanted.length);
  await fetchPackages({ ...lock, packages });
  const system = join(folder, "arm64-system");
  for (const one of packages) execFileSync("dpkg-deb", ["-x", debFile(one), system]);
  const library = join(root, "usr/lib/qkd-node");
  const node = join(library, "runtime/node");
  const run = (...args: string[]) =>
    spawnSync(qemu, ["-L", system, node, ...args], { encoding: "utf8", timeout: 120_000 });
  for (const name of programs) {
    const { stdout, stderr } = run(join(library, `lib/${name}.cjs`), "--version");
    t.regex(stdout, new RegExp(softwareVersion.replaceAll(".", "\\.")), `${name}: ${stderr}`);
  }
  const addons = globSync(join(library, "lib/addons/arm64/*.node"));
  const loaded = run(
    "--jitless",
    "-e",
    `for (const one of ${JSON.stringify(addons)}) require(one); console.log("all")`,
  );
  t.is(loaded.stdout, "all\n", loaded.stderr);
});

/** Run in the folder of a Debian that was just made, as root: comes, is looked at, and goes. */
const comesAndGoes = `#!/bin/sh
set -eu
cd "$1"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
unset NODE_EXTRA_CA_CERTS NODE_OPTIONS
files() {
  find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./var/lib/dpkg \\) -prune -o -print | sort
}
chroot . apt-get install -y -q --no-install-recommends systemd libusb-1.0-0 libstdc++6 libudev1
files >"$2/before"
chroot . apt-get install -y -q --no-install-recommends /tmp/qkd.deb
chroot . dpkg --verify qkd-node >"$2/verify"
chroot . getent passwd | grep '^qkd-' | cut -d: -f1,6,7 | sort >"$2/users"
for name in qkd-node qkd-km qkd-controller qkd-psk qkd-panel; do
  chroot . $name --version
done >"$2/versions"
# As the user that its unit has, on an example that is part of the package.
chroot --userspec=qkd-node . qkd-node check-config /usr/share/doc/qkd-node/examples/bench.toml >"$2/checked" 2>&1 || echo "code $?" >>"$2/checked"
chroot . systemd-analyze verify --man=no qkd-node.service qkd-km.service qkd-controller.service qkd-panel.service \\
  qkd-console.service qkd-console.path qkd-psk@one.service >"$2/units" 2>&1 || echo "code $?" >>"$2/units"
find ./etc/systemd ./var/lib/systemd -name 'qkd-*' >"$2/enabled"
mkdir -p var/lib/qkd-node && echo ledger >var/lib/qkd-node/ledger
chroot . apt-get purge -y -q qkd-node >"$2/purge" 2>&1
grep -q ledger var/lib/qkd-node/ledger && rm -r var/lib/qkd-node
files >"$2/after"
`;

testWith("mmdebstrap", "it comes onto a plain Debian, runs there, and goes", (t, mmdebstrap) => {
  const said = join(folder, "plain");
  mkdirSync(said);
  const hook = join(said, "comes-and-goes");
  writeFileSync(hook, comesAndGoes, { mode: 0o755 });
  const made = spawnSync(
    mmdebstrap,
    [
      ...["--variant=apt", "--format=null", `--customize-hook=upload ${file} /tmp/qkd.deb`],
      ...[`--customize-hook=${hook} "$1" ${said}`, readLock(readBoard("qemu/virt")).release],
    ],
    { encoding: "utf8", timeout: 1_200_000, maxBuffer: 1e8 },
  );
  t.is(made.status, 0, made.stderr);
  const read = (name: string) => readFileSync(join(said, name), "utf8");
  t.is(read("verify"), "");
  t.regex(read("users"), /^qkd-controller:\/var\/lib\/qkd-controller:\/usr\/sbin\/nologin$/m);
  t.regex(read("users"), /^qkd-km:\/var\/lib\/qkd-km:\/usr\/sbin\/nologin$/m);
  t.regex(read("users"), /^qkd-node:\/var\/lib\/qkd-node:\/usr\/sbin\/nologin$/m);
  t.is(read("versions"), `${softwareVersion}\n`.repeat(5));
  // The certificates that it names are the reader's to make.
  t.regex(read("checked"), /^[^ ]*bench\.toml:\d+: km\.main\.ca: .*cannot be read/m);
  t.regex(read("checked"), /^code 78$/m);
  t.is(read("units"), "");
  // Nothing is started by installing it.
  t.is(read("enabled"), "");
  // A ledger is not the package's to destroy, and is told of.
  t.regex(read("purge"), /\/var\/lib\/qkd-node stays/);
  const before = new Set(read("before").split("\n"));
  const left = read("after").split("\n");
  t.deepEqual(
    left.filter((path) => !before.has(path)),
    // systemd's folder of sealed credentials, which a site fills.
    ["./etc/credstore.encrypted"],
  );
});
