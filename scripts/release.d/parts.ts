/** What a release consists of, part by part: each makes its files in the release's folder. */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { makePackages } from "../deb.d/packages.ts";
import { readBoard, root } from "../image.d/board.ts";
import { buildAgain, buildImage } from "../image.d/build.ts";
import { ImageError, run } from "../image.d/run.ts";
import { sectionOf } from "./changelog.ts";
import { readWeaknesses, vex } from "./vex.ts";

export const partNames = ["notes", "source", "sbom", "vex", "debs", "images"] as const;
export type PartName = (typeof partNames)[number];

export interface Release {
  readonly version: string;
  /** Where the files go: empty, and there. */
  readonly out: string;
  readonly boards: readonly string[];
  /** Folder of signing keys; undefined: this machine's development keys. */
  readonly keys: string | undefined;
  readonly maintainer: string | undefined;
  /** Folder of the makers' firmware, for boards that need it. */
  readonly firmware: string | undefined;
  /** Images are built twice. */
  readonly verify: boolean;
}

export const prefix = ({ version }: Pick<Release, "version">) => `qkd-node-${version}`;

type Part = (release: Release) => Promise<void>;

export const parts: Readonly<Record<PartName, Part>> = {
  notes,
  source,
  sbom,
  vex: weaknesses,
  debs,
  images,
};

/** The version's section of the changelog. */
async function notes(release: Release): Promise<void> {
  const text = sectionOf(await readFile(join(root, "CHANGELOG.md"), "utf8"), release.version);
  if (text === undefined) {
    throw new ImageError(
      `CHANGELOG.md has no section [${release.version}]: scripts/release number ${release.version}`,
    );
  }
  await writeFile(join(release.out, "NOTES.md"), `# qkd-node ${release.version}\n\n${text}`);
}

/** The sources of the commit, from which all else can be made again. */
async function source(release: Release): Promise<void> {
  const name = prefix(release);
  const tar = join(release.out, `${name}-source.tar`);
  await run("git", ["archive", `--prefix=${name}/`, `--output=${tar}`, "HEAD"], { cwd: root });
  // Without a name and a time in it, it is the same for the same sources.
  await run("gzip", ["-n", "-9", "-f", tar]);
}

/** Of the programs alone: each image has its own. */
async function sbom(release: Release): Promise<void> {
  const work = join(release.out, "work");
  await run(process.execPath, [join(root, "scripts/build/main.ts"), "--out", work], { cwd: root });
  const bill = join(work, "qkd-node/sbom.cdx.json");
  await cp(bill, join(release.out, `${prefix(release)}.cdx.json`));
  await rm(work, { recursive: true });
}

async function weaknesses(release: Release): Promise<void> {
  const known = readWeaknesses(await readFile(join(root, "security/weaknesses.toml"), "utf8"));
  await writeFile(
    join(release.out, `${prefix(release)}.vex.cdx.json`),
    vex(known, release.version),
  );
}

async function debs({ out, maintainer }: Release): Promise<void> {
  await makePackages(out, ["amd64", "arm64"], "1", maintainer);
}

/** Of each board the disk, the update, its bill and where the sources are. */
async function images(release: Release): Promise<void> {
  const { out, version, keys, firmware, verify } = release;
  for (const id of release.boards) {
    const work = join(out, "work");
    await rm(work, { recursive: true, force: true });
    await mkdir(work);
    const how = { board: readBoard(id), out: work, version, keys, firmware, quick: false };
    await buildImage(how);
    if (verify) await buildAgain(how);
    const name = `${prefix(release)}-${id.replaceAll("/", "-")}`;
    const files = {
      "disk.img.zst": `${name}.img.zst`,
      "update.raucb": `${name}.raucb`,
      "sbom.cdx.json": `${name}.cdx.json`,
      "sources.txt": `${name}-sources.txt`,
    };
    for (const [from, to] of Object.entries(files)) await cp(join(work, from), join(out, to));
    await rm(work, { recursive: true });
  }
}

/** Those that hold a time of their own, or chance: what is in them is compared when the image is built twice. */
export function isTimed(file: string): boolean {
  return basename(file).endsWith(".raucb");
}
