/**
 * Native addons, beside the bundle. Each package finds its own among prebuilt ones by looking around
 * in its folder; a bundle has no such folder, so its loader is replaced by a fixed place for each
 * architecture. All architectures are in every build: one build runs on any of them unchanged.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { packageFolder } from "./foreign.ts";

interface Addon {
  /** What its file is called in the build. */
  readonly name: string;
  readonly package: string | Readonly<Record<Architecture, string>>;
  /** The module that loads it, and what takes its place: `place` is where the addon is. */
  readonly loader: RegExp;
  readonly instead: string;
  /** Where the package keeps it, by architecture; all for Linux with glibc, like the pinned Node.js. */
  readonly prebuilt: Readonly<Record<Architecture, string>>;
}

export const architectures = ["arm64", "x64"] as const;
type Architecture = (typeof architectures)[number];

const addons: readonly Addon[] = [
  {
    name: "serialport",
    package: "@serialport/bindings-cpp",
    loader: /bindings-cpp[\\/]dist[\\/]serialport-bindings\.js$/,
    instead: "exports.binding = require(place);",
    prebuilt: {
      arm64: "prebuilds/linux-arm64/@serialport+bindings-cpp.armv8.glibc.node",
      x64: "prebuilds/linux-x64/@serialport+bindings-cpp.glibc.node",
    },
  },
  {
    name: "node-hid",
    package: "node-hid",
    // Nothing else in the build has it.
    loader: /pkg-prebuilds[\\/]bindings\.js$/,
    instead: "module.exports = () => require(place);",
    prebuilt: {
      arm64: "prebuilds/HID_hidraw-linux-arm64/node-napi-v4.node",
      x64: "prebuilds/HID_hidraw-linux-x64/node-napi-v4.node",
    },
  },
  {
    name: "koffi",
    package: { arm64: "@koromix/koffi-linux-arm64", x64: "@koromix/koffi-linux-x64" },
    loader: /node_modules[\\/]koffi[\\/]index\.js$/,
    // An ECMAScript module, unlike the others.
    instead: "export default require(place);",
    prebuilt: { arm64: "linux_arm64/koffi.node", x64: "linux_x64/koffi.node" },
  },
];

/** Folders of the packages that addons are copied from, relative to the clone. */
export const addonFolders: readonly string[] = addons.flatMap(({ package: id }) =>
  (typeof id === "string" ? [id] : Object.values(id)).map((one) => `node_modules/${one}`),
);

/** Copies every addon into `lib`/addons. @throws a system error if a package lacks one */
export function copyAddons(lib: string): void {
  for (const { name, package: id, prebuilt } of addons) {
    for (const architecture of architectures) {
      const home = packageFolder(typeof id === "string" ? id : id[architecture]);
      const folder = join(lib, "addons", architecture);
      mkdirSync(folder, { recursive: true });
      copyFileSync(join(home, prebuilt[architecture]), join(folder, `${name}.node`));
    }
  }
}

/** Has the bundle load addons from where {@link copyAddons} puts them. */
export const addonPlugin: Plugin = {
  name: "addons",
  setup(build) {
    for (const { name, loader, instead } of addons) {
      build.onLoad({ filter: loader }, () => ({
        // Through a variable: esbuild looks for what a literal names while it bundles.
        contents: `const place = __dirname + \`/addons/\${process.arch}/${name}.node\`;
${instead}`,
      }));
    }
  },
};
