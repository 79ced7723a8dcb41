/**
 * Debian packages: which ones, resolved by apt once and written down with their hashes
 * (`scripts/image lock`), and fetched by those hashes ever after.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Board } from "./board.ts";
import { ImageError, need, run } from "./run.ts";

export interface Package {
  readonly name: string;
  readonly version: string;
  /** Which of Debian's archives, the last part of its address: `debian`, `debian-security`. */
  readonly archive: string;
  /** Path in the archive. */
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Lock {
  /** When it was made; everything in the image is of this time. */
  readonly date: string;
  readonly release: string;
  /** What was asked for; a lock of other packages is out of date. */
  readonly asked: string;
  readonly packages: readonly Package[];
}

/** Downloads, by hash; outside the tree, so that clones share them. */
export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qkd-image");

const archives = ["debian", "debian-security"];

function lockFile(board: Board): string {
  return join(board.folder, "packages.lock");
}

function askedBy(board: Board): string {
  const text = JSON.stringify([board.packages, board.without]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** @throws ImageError if there is none, or it is of another list of packages */
export function readLock(board: Board): Lock {
  const file = lockFile(board);
  if (!existsSync(file)) {
    throw new ImageError(`${file} is missing: make it with scripts/image lock --board ${board.id}`);
  }
  const [head = "", ...lines] = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [date = "", release = "", asked = ""] = head.split(" ");
  if (asked !== askedBy(board)) {
    throw new ImageError(
      `${file} is not of the packages that the board asks for: scripts/image lock --board ${board.id}`,
    );
  }
  const packages = lines.map((line): Package => {
    const [name = "", version = "", archive = "", path = "", size = "", sha256 = ""] =
      line.split(" ");
    return { name, version, archive, file: path, size: Number(size), sha256 };
  });
  return { date, release, asked, packages };
}

/** Resolves the board's packages against today's archives. @returns the lock's file and lines changed */
export async function makeLock(board: Board, release: string, today: string) {
  need("apt-get");
  const apt = await Apt.open(release);
  try {
    const wanted = await apt.resolve(board.packages);
    const packages = wanted.filter(({ name }) => !board.without.includes(name));
    const lines = packages
      .map(({ name, version, archive, file, size, sha256 }) =>
        [name, version, archive, file, size, sha256].join(" "),
      )
      .sort();
    const file = lockFile(board);
    const before = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    const head = [
      "# Made by scripts/image lock. First line: date, release, what was asked for. Then each package:",
      "# name, version, archive, file, bytes, SHA-256.",
      [today, release, askedBy(board)].join(" "),
    ];
    writeFileSync(file, `${[...head, ...lines].join("\n")}\n`);
    return {
      file,
      packages: lines.length,
      changed: lines.filter((line) => !before.includes(line)).length,
    };
  } finally {
    apt.close();
  }
}

/** apt on lists and a status of its own, for arm64, with the machine's sources and keys. */
class Apt {
  readonly #folder: string;
  readonly #options: readonly string[];

  private constructor(folder: string, options: readonly string[]) {
    this.#folder = folder;
    this.#options = options;
  }

  static async open(release: string): Promise<Apt> {
    const folder = mkdtempSync(join(tmpdir(), "qkd-apt-"));
    for (const path of ["lists/partial", "cache/archives/partial", "parts"]) {
      mkdirSync(join(folder, path), { recursive: true });
    }
    writeFileSync(join(folder, "status"), "");
    const [main, security] = await mirrors();
    const key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    writeFileSync(
      join(folder, "sources.list"),
      `deb ${key} ${main} ${release} main
deb ${key} ${main} ${release}-updates main
deb ${key} ${security} ${release}-security main
`,
    );
    const options = [
      `Dir::State::Lists=${folder}/lists`,
      `Dir::State::status=${folder}/status`,
      `Dir::Cache=${folder}/cache`,
      `Dir::Etc::SourceList=${folder}/sources.list`,
      `Dir::Etc::SourceParts=${folder}/parts`,
      `Dir::Etc::PreferencesParts=${folder}/parts`,
      "APT::Architecture=arm64",
      "APT::Architectures=arm64",
      "APT::Install-Recommends=0",
      "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
    const apt = new Apt(folder, options);
    await run("apt-get", [...options, "update", "-qq"]);
    return apt;
  }

  async resolve(names: readonly string[]): Promise<Package[]> {
    const text = await run("apt-get", [
      ...this.#options,
      "install",
      "--print-uris",
      "-qq",
      "-y",
      ...names,
    ]);
    const archiveOf = new Map<string, string>();
    const wanted: string[] = [];
    for (const line of text.split("\n")) {
      const found = /^'(.*)\/pool\/[^']*' ([^_]+)_([^_]+)_/.exec(line);
      if (found === null) continue;
      const [, base = "", name = "", version = ""] = found;
      archiveOf.set(name, base.split("/").at(-1) ?? "");
      wanted.push(`${name}=${decodeURIComponent(version)}`);
    }
    const stanzas = await run("apt-cache", [
      ...this.#options,
      "show",
      "--no-all-versions",
      ...wanted,
    ]);
    return stanzas
      .split(/\n\n+/)
      .filter((stanza) => stanza.startsWith("Package:"))
      .map((stanza) => {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
        const name = field("Package");
        return {
          name,
          version: field("Version"),
          archive: archiveOf.get(name) ?? "",
          file: field("Filename"),
          size: Number(field("Size")),
          sha256: field("SHA256"),
        };
      });
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Addresses of Debian's archives: those of the variables QKD_IMAGE_MIRROR and
 * QKD_IMAGE_MIRROR_SECURITY, or the machine's own.
 */
async function mirrors(): Promise<readonly string[]> {
  const known = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)"]);
  const own = [...new Set(known.split("\n"))].map((address) => address.replace(/\/$/, ""));
  const variables = [process.env.QKD_IMAGE_MIRROR, process.env.QKD_IMAGE_MIRROR_SECURITY];
  return archives.map((archive, i) => {
    const address = variables[i] ?? own.find((one) => one.endsWith(`/${archive}`));
    if (address === undefined) {
      throw new ImageError(
        `no mirror of ${archive} is known here: set QKD_IMAGE_MIRROR${i === 0 ? "" : "_SECURITY"}`,
      );
    }
    return address.replace(/\/$/, "");
  });
}

export function debFile(one: Package): string {
  return join(cache, "debs", `${one.sha256}.deb`);
}

/** Fetches what is not in the cache yet; apt checks each file's hash. @returns how many were fetched */
export async function fetchPackages(lock: Lock): Promise<number> {
  need("apt-get");
  mkdirSync(join(cache, "debs"), { recursive: true });
  const missing = lock.packages.filter((one) => !existsSync(debFile(one)));
  if (missing.length === 0) return 0;
  const bases = await mirrors();
  for (const one of missing) {
    const base = bases[archives.indexOf(one.archive)];
    const partial = `${debFile(one)}.partial-${process.pid}`;
    const address = `${base}/${one.file.split("/").map(encodeURIComponent).join("/")}`;
    try {
      await run("/usr/lib/apt/apt-helper", [
        "download-file",
        address,
        partial,
        `SHA256:${one.sha256}`,
      ]);
    } catch (error) {
      throw new ImageError(
        `${one.name} ${one.version} is not at the mirror as it was when the lock was made.\n` +
          "Either the mirror has moved on: scripts/image lock takes what is there today, and its diff is to be\n" +
          "reviewed; or set QKD_IMAGE_MIRROR to an archive of the lock's date.\n\n" +
          `${(error as Error).message}`,
      );
    }
    renameSync(partial, debFile(one));
  }
  return missing.length;
}
