/** Files that the programs read at run time, beside the bundle where they look for them. */
import { cpSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Folders and files from the root of the project, and where they go in `lib`. */
const assets: readonly (readonly [from: string, to: string])[] = [
  ["src/web/page", "page"],
  ["node_modules/uplot/dist/uPlot.iife.min.js", "node_modules/uplot/dist/uPlot.iife.min.js"],
  ["node_modules/uplot/dist/uPlot.min.css", "node_modules/uplot/dist/uPlot.min.css"],
];

/** Of the sources, but of no use at run time. */
const left = /\.d\.ts$|^tsconfig\.json$/;

/** Packages of which something is among the assets. */
export const assetPackages: readonly string[] = ["node_modules/uplot"];

/** @throws a system error if one is not there */
export function copyAssets(root: string, lib: string): void {
  for (const [from, to] of assets) {
    mkdirSync(dirname(join(lib, to)), { recursive: true });
    cpSync(join(root, from), join(lib, to), {
      recursive: true,
      filter: (file) => !left.test(basename(file)),
    });
  }
}
