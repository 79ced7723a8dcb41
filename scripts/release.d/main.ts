/** `scripts/release`: version, notes, packages, images, bills, checksums, provenance, signature: in one command. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { softwareVersion } from "../../src/base/version.ts";
import { boardNames, root } from "../image.d/board.ts";
import { type Keys, signingKeys } from "../image.d/keys.ts";
import { ImageError, need, run, setEpoch, step } from "../image.d/run.ts";
import { runtimes } from "../image.d/runtime.ts";
import { opensslKey } from "../image.d/token.ts";
import { firstDifference } from "../image.d/verify.ts";
import { parsed, runTool, UsageError } from "../tool.ts";
import { numbered, versionForm, withVersion } from "./changelog.ts";
import { isTimed, type PartName, partNames, parts, type Release } from "./parts.ts";
import { type Digested, provenance, sums } from "./provenance.ts";

const usage = `scripts/release COMMAND [options]: a release, in one folder (board/release.md)

  number VERSION     what was not released yet is this version's: changelog,
                     package.json and the program's own number; commit it, then
                     make
  make               makes all of it, and signs it

  --out FOLDER       where to, emptied first (default dist/release/VERSION)
  --only LIST        of ${partNames.join(",")} (default: all)
  --board NAME       an image for it; may be repeated (default qemu/virt)
  --keys FOLDER      as for scripts/image: update.key signs the release, too.
                     Without it this machine's development keys do
  --firmware DIR     the maker's firmware, for boards that need it
  --maintainer TEXT  of the Debian packages: "NAME <ADDRESS>"
  --verify           make it twice, and compare: bit by bit the same, or exit
                     code 1
  --unclean          though files differ from the commit; the provenance says so
  --help

What is signed is SHA256SUMS, which has all other files. Exit codes: 0, 1 with a
reason, 64 wrong command line, 74 the output cannot be written.
`;

const options = {
  out: { type: "string" },
  only: { type: "string" },
  board: { type: "string", multiple: true },
  keys: { type: "string" },
  firmware: { type: "string" },
  maintainer: { type: "string" },
  verify: { type: "boolean", default: false },
  unclean: { type: "boolean", default: false },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

function parse(args: string[]) {
  return parsed(() => parseArgs({ args, options, allowPositionals: true }));
}

const git = async (...args: string[]) => (await run("git", args, { cwd: root })).trim();

/** `number`: writes the version into all files that have it. @returns their names @throws ImageError */
async function giveNumber(version: string): Promise<string[]> {
  if (!versionForm.test(version)) throw new UsageError(`${version}: expected a version, as 1.2.3`);
  const day = new Date().toISOString().slice(0, 10);
  const changed = new Map<string, string>();
  const read = (name: string) => readFile(join(root, name), "utf8");
  const changelog = numbered(await read("CHANGELOG.md"), version, day);
  if (changelog === undefined) {
    throw new ImageError(
      `CHANGELOG.md: nothing is under [Unreleased], or ${version} is there already`,
    );
  }
  changed.set("CHANGELOG.md", changelog);
  for (const name of ["package.json", "src/base/version.ts"]) {
    changed.set(name, withVersion(await read(name), version));
  }
  // npm's own copies of it: the first two.
  const lock = JSON.parse(await read("package-lock.json"));
  lock.version = version;
  lock.packages[""].version = version;
  changed.set("package-lock.json", `${JSON.stringify(lock, undefined, 2)}\n`);
  for (const [name, text] of changed) await writeFile(join(root, name), text);
  return [...changed.keys()];
}

function chosenParts({ only }: Values): readonly PartName[] {
  const asked = only?.split(",") ?? [...partNames];
  const wrong = asked.find((one) => !partNames.some((known) => known === one));
  if (wrong !== undefined) throw new UsageError(`--only: no ${JSON.stringify(wrong)} here`);
  return partNames.filter((one) => asked.includes(one));
}

async function make(values: Values): Promise<string> {
  need("git", "gzip", "openssl");
  const chosen = chosenParts(values);
  const boards = values.board ?? ["qemu/virt"];
  const unknown = boards.find((one) => !boardNames().includes(one));
  if (unknown !== undefined) throw new UsageError(`--board: no ${JSON.stringify(unknown)} here`);
  const clean = (await git("status", "--porcelain")) === "";
  if (!clean && !values.unclean) {
    throw new ImageError("files differ from the commit: commit them, or say --unclean");
  }
  const commit = await git("rev-parse", "HEAD");
  setEpoch(Number(await git("log", "-1", "--format=%ct")));
  const out = resolve(values.out ?? join(root, "dist/release", softwareVersion));
  const { keys, maintainer, firmware, verify } = values;
  notWithin(out, root);
  if (keys !== undefined) notWithin(out, keys);
  // Before half an hour of building, and before anything is emptied.
  const signing = await signingKeys(keys);
  await tryKeys(signing);
  const release: Release = {
    version: softwareVersion,
    out,
    boards: chosen.includes("images") ? boards : [],
    keys,
    maintainer,
    firmware,
    verify,
  };
  await makeParts(release, chosen);
  if (verify) await compare(release, chosen);
  const files = await digests(out);
  const statement = provenance(files, {
    version: softwareVersion,
    commit,
    clean,
    parts: chosen,
    boards: release.boards,
    locks: await locks(release.boards),
    runtimes: Object.values(runtimes).map(({ package: name, version, integrity }) => ({
      purl: `pkg:npm/${name}@${version}`,
      sha512: Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex"),
    })),
    development: signing.development,
  });
  await writeFile(join(out, "provenance.intoto.json"), statement);
  await writeFile(join(out, "SHA256SUMS"), sums(await digests(out)));
  await step("signature", () => signSums(out, signing));
  const all = (await readdir(out)).sort();
  const why = signing.development ? ", by this machine's development keys" : "";
  return `${softwareVersion} of ${commit.slice(0, 12)}, signed${why}: ${out}\n${all.map((one) => `  ${one}\n`).join("")}`;
}

/** @throws ImageError if a folder that is needed would be emptied */
function notWithin(out: string, needed: string): void {
  const path = resolve(needed);
  if (path === out || path.startsWith(out === "/" ? out : `${out}/`)) {
    throw new ImageError(
      `--out ${out} would be emptied, and ${path} is needed: say another folder`,
    );
  }
}

/** Signs something, as the release will be. @throws ImageError if who has the release could not check it */
async function tryKeys(keys: Keys): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-release-"));
  try {
    await writeFile(join(folder, "SHA256SUMS"), "");
    await signSums(folder, keys);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function makeParts(release: Release, chosen: readonly PartName[]): Promise<void> {
  await rm(release.out, { recursive: true, force: true });
  await mkdir(release.out, { recursive: true });
  for (const name of chosen) await step(name, () => parts[name](release));
}

/** All but the images, which are compared where they are built. @throws ImageError that names what differs */
async function compare(release: Release, chosen: readonly PartName[]): Promise<void> {
  const out = `${release.out}.again`;
  const again = chosen.filter((name) => name !== "images");
  await makeParts({ ...release, out, boards: [] }, again);
  const names = (await readdir(out)).filter((name) => !isTimed(name));
  for (const name of names) {
    const at = await firstDifference(join(release.out, name), join(out, name));
    if (at !== undefined) {
      throw new ImageError(
        `${name} is not the same when it is made again, from byte ${at}: see ${out}`,
      );
    }
  }
  await rm(out, { recursive: true });
  process.stdout.write(`made twice: ${names.length} files the same, bit by bit\n`);
}

async function locks(boards: readonly string[]): Promise<Digested[]> {
  const names = ["package-lock.json", ...boards.map((board) => `board/${board}/packages.lock`)];
  return Promise.all(names.map(async (name) => ({ name, sha256: await digest(join(root, name)) })));
}

async function digests(folder: string): Promise<Digested[]> {
  const names = (await readdir(folder)).sort();
  return Promise.all(
    names.map(async (name) => ({ name, sha256: await digest(join(folder, name)) })),
  );
}

async function digest(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/**
 * Certificate and authority go along: who trusts the authority needs no other file. It is checked as they will.
 * @throws ImageError if key, certificate and authority do not belong together, or the certificate has run out
 */
async function signSums(out: string, keys: Keys): Promise<void> {
  const [file, to] = [join(out, "SHA256SUMS"), join(out, "SHA256SUMS.sig")];
  const { updateKey, updateCertificate, updateAuthority } = keys;
  await run("openssl", ["dgst", "-sha256", ...(await opensslKey(updateKey)), "-out", to, file]);
  const certificate = join(out, "release.crt");
  await cp(updateCertificate, certificate);
  const told = (why: string) => (error: Error) => {
    throw new ImageError(`${why}\n${error.message}`);
  };
  await run("openssl", ["verify", "-CAfile", updateAuthority, certificate]).catch(
    told(
      `${updateCertificate} is not good by ${updateAuthority}: a release that it signs could not be checked`,
    ),
  );
  const publicKey = join(out, "release.pub");
  await run("openssl", ["x509", "-in", certificate, "-noout", "-pubkey", "-out", publicKey]);
  await run("openssl", ["dgst", "-sha256", "-verify", publicKey, "-signature", to, file]).catch(
    told(
      `${updateKey} is not the key of ${updateCertificate}: a release that it signs could not be checked`,
    ),
  );
  await rm(publicKey);
}

async function main(args: string[]): Promise<string> {
  const { values, positionals } = parse(args);
  if (values.help) return usage;
  const [command, ...rest] = positionals;
  if (command === "number") {
    const [version, ...more] = rest;
    if (version === undefined || more.length > 0) throw new UsageError("number VERSION");
    const names = await giveNumber(version);
    return `${names.join(", ")}: ${version}\ncommit them, then: scripts/release make\n`;
  }
  if (command !== "make" || rest.length > 0) throw new UsageError("number VERSION, or make");
  return make(values);
}

await runTool("release", main, (error) => error instanceof ImageError);
