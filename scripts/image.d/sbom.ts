/** The bill of materials, CycloneDX 1.6: every package in the image, with where it is from and its hash. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Board, root as project } from "./board.ts";
import type { Lock } from "./packages.ts";
import { runtime } from "./runtime.ts";

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** @returns JSON, the same for the same image */
export async function bill(lock: Lock, { version, board }: { version: string; board: Board }) {
  const lockfile = JSON.parse(await readFile(join(project, "package-lock.json"), "utf8"));
  const npm = Object.entries(lockfile.packages as Record<string, Locked>)
    .filter(([path, { dev }]) => path !== "" && dev !== true)
    .map(([path, { version: of = "", integrity, license }]) => {
      const name = path.replace(/^.*node_modules\//, "");
      return {
        type: "library",
        name,
        version: of,
        purl: `pkg:npm/${name.replace("@", "%40")}@${of}`,
        ...(license !== undefined && { licenses: [{ expression: license }] }),
        ...(integrity !== undefined && { hashes: [sha512(integrity)] }),
      };
    });
  const debian = lock.packages.map(({ name, version: of, sha256 }) => ({
    type: "library",
    name,
    version: of,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(of)}?arch=arm64&distro=${lock.release}`,
    hashes: [{ alg: "SHA-256", content: sha256 }],
  }));
  const node = {
    type: "platform",
    name: "node",
    version: runtime.version,
    purl: `pkg:npm/${runtime.package}@${runtime.version}`,
    licenses: [{ expression: "MIT" }],
    hashes: [sha512(runtime.integrity)],
  };
  const components = [...debian, ...npm.filter(({ name }) => name !== "node"), node];
  const content = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: `${lock.date}T00:00:00Z`,
      component: {
        type: "firmware",
        name: board.compatible,
        version,
        licenses: [{ expression: "Apache-2.0" }],
      },
    },
    components: components.map((one) => ({ "bom-ref": one.purl, ...one })),
  };
  return `${JSON.stringify(content, null, 1)}\n`;
}

function sha512(integrity: string) {
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return { alg: "SHA-512", content };
}
