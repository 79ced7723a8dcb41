/**
 * `npm run build`: the production build in `dist/`. `dist/qkd-node` is what is installed (as
 * `/usr/lib/qkd-node`); `dist/maps` are its source maps, which stay at home.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, type Plugin } from "esbuild";
import { runTool } from "../tool.ts";
import { addonFolders, addonPlugin, copyAddons } from "./addons.ts";
import { makeAscii } from "./ascii.ts";
import { billOf, nodeComponent, writeBill } from "./bill.ts";
import { compileAhead, compiledAhead } from "./code.ts";
import { packageFolder } from "./foreign.ts";
import { bundledPackages, collectLicences } from "./licences.ts";

/** Programs of the build, by the name of their launcher in `bin`. */
const programs: Readonly<Record<string, string>> = {
  "qkd-node": "src/bin/qkd-node.ts",
  "qkd-panel": "src/bin/qkd-panel.ts",
  "qkd-image": "src/bin/qkd-image.ts",
  "qkd-km": "src/bin/qkd-km.ts",
  "qkd-controller": "src/bin/qkd-controller.ts",
  "qkd-psk": "src/bin/qkd-psk.ts",
};

/** Packages that are loaded upon need only, each a file of its own. */
const apart: Readonly<Record<string, string>> = { mqtt: "mqtt" };

/** What programs start as threads or processes, by the name that they look for beside themselves. */
const beside: Readonly<Record<string, string>> = {
  "ledger-worker": "src/km/io/engine/ledger-worker.ts",
  "hsm-child": "src/km/io/hsm/hsm-child.ts",
};

/** How start.cjs calls a program. */
const asFunction = "(function (exports, require, module, __filename, __dirname) ";

const apartPlugin: Plugin = {
  name: "apart",
  setup({ onResolve }) {
    for (const name of Object.keys(apart)) {
      onResolve({ filter: new RegExp(`^${name}$`) }, ({ kind }) =>
        kind === "dynamic-import" ? { path: `./${name}.cjs`, external: true } : undefined,
      );
    }
  },
};

const usage = `npm run build -- [options]: the production build

  --out FOLDER   where to (default dist)
  --runtime FILE Node.js that goes into the build, and compiles its code;
                 without it the build runs on the machine's own
  --help

FOLDER/qkd-node is what is installed, as /usr/lib/qkd-node; its bin/qkd-node
runs the node, bin/qkd-panel its chassis panel, bin/qkd-km a key manager,
bin/qkd-controller a QKDN controller, bin/qkd-psk a tunnel's rotation of keys,
and bin/qkd-image checks for an image's helpers, on runtime/node beside it or on
the machine's Node.js 24. FOLDER/maps has the source maps. Native addons of
arm64 and x64 are in every build; compiled code is of the architecture that
built, and another one does without.
Exit codes: 0, 1 with a reason, 64 wrong command line, 74 the output cannot be
written.
`;

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Files of a folder below `from`, in order. */
function files(from: string): string[] {
  return readdirSync(from, { recursive: true, encoding: "utf8" })
    .filter((entry) => statSync(join(from, entry)).isFile())
    .sort();
}

interface Bundled {
  readonly licences: string;
  /** The bill of materials, CycloneDX. */
  readonly bill: string;
}

async function bundle(lib: string): Promise<Bundled> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { ...programs, ...apart, ...beside },
    outdir: lib,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    target: "node24",
    // As ECMAScript modules the same would start 20 ms later: each of Node's own modules that is
    // imported gets all of its parts loaded.
    format: "cjs",
    // What is loaded upon need is required: code that was compiled ahead may use import() by an experimental part of
    // Node.js only, which says so in the journal of each node.
    supported: { "dynamic-import": false },
    // Names and lines stay as they are: a stack trace from the field is read without the maps.
    minifySyntax: true,
    legalComments: "none",
    sourcemap: "external",
    metafile: true,
    define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
    alias: { debug: join(root, "scripts/build/no-debug.cjs") },
    plugins: [addonPlugin, apartPlugin],
    logLevel: "warning",
  });
  const copied = ["node_modules/uplot", ...addonFolders];
  const folders = [...new Set([...bundledPackages(metafile), ...copied])].sort();
  // One for the other architecture is not among this machine's.
  const here = (folder: string) =>
    existsSync(join(root, folder))
      ? join(root, folder)
      : packageFolder(folder.replace(/^.*node_modules\//, ""));
  return {
    licences: collectLicences(folders.map(here)),
    bill: writeBill(billOf(metafile, copied, nodeComponent(process.versions))),
  };
}

/** What the local pages are made of: it goes to browsers as it is. A folder for what they share, and one each. */
function copyPages(lib: string): void {
  const pages = [
    "src/ops/page/browser",
    "src/node/page/browser-node",
    "src/km/page/browser-km",
    "src/controller/page/browser-controller",
  ];
  for (const own of pages) {
    const from = join(root, own);
    const to = join(lib, basename(own));
    mkdirSync(to);
    for (const file of files(from).filter((name) => /\.(html|css|js|svg)$/.test(name))) {
      copyFileSync(join(from, file), join(to, file));
    }
  }
  for (const file of ["uPlot.iife.min.js", "uPlot.min.css"]) {
    copyFileSync(join(root, "node_modules/uplot/dist", file), join(lib, "browser", file));
  }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      out: { type: "string", default: join(root, "dist") },
      runtime: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
}

async function main(args: string[]): Promise<number | string> {
  let values: ReturnType<typeof parse>["values"];
  try {
    ({ values } = parse(args));
  } catch (error) {
    process.stderr.write(`build: ${(error as Error).message}\n\n${usage}`);
    return 64;
  }
  if (values.help) return usage;
  const image = join(values.out, "qkd-node");
  const maps = join(values.out, "maps");
  const lib = join(image, "lib");
  rmSync(image, { recursive: true, force: true });
  rmSync(maps, { recursive: true, force: true });
  for (const folder of [lib, maps, join(image, "bin")]) mkdirSync(folder, { recursive: true });

  const { licences, bill } = await bundle(lib);
  for (const file of files(lib).filter((name) => name.endsWith(".cjs"))) makeAscii(join(lib, file));
  writeFileSync(join(image, "licences.txt"), licences);
  writeFileSync(join(image, "sbom.cdx.json"), bill);
  copyFileSync(join(root, "LICENSE"), join(image, "LICENSE"));
  for (const name of compiledAhead) {
    const [module, program] = [join(lib, `${name}.cjs`), join(lib, `${name}.js`)];
    writeFileSync(program, `${asFunction}{${readFileSync(module, "utf8")}\n})`);
    renameSync(`${module}.map`, `${program}.map`);
    copyFileSync(join(root, "scripts/build/start.cjs"), module);
  }
  for (const map of files(lib).filter((file) => file.endsWith(".map"))) {
    renameSync(join(lib, map), join(maps, map));
  }
  copyAddons(lib);
  copyPages(lib);
  for (const name of Object.keys(programs)) {
    copyFileSync(join(root, "scripts/build/launcher.sh"), join(image, "bin", name));
    chmodSync(join(image, "bin", name), 0o755);
  }
  const { runtime = process.execPath } = values;
  if (values.runtime !== undefined) {
    mkdirSync(join(image, "runtime"));
    copyFileSync(runtime, join(image, "runtime/node"));
    chmodSync(join(image, "runtime/node"), 0o755);
    const licence = join(dirname(runtime), "LICENSE");
    if (existsSync(licence)) copyFileSync(licence, join(image, "runtime/LICENSE"));
  }
  await compileAhead(image, { command: runtime, args: [], architecture: process.arch });
  for (const file of files(image)) {
    const size = statSync(join(image, file)).size;
    process.stdout.write(`${String(Math.ceil(size / 1024)).padStart(7)} KiB  ${file}\n`);
  }
  return 0;
}

/** esbuild's: it has told what is wrong, such as room on a disk, line by line. */
const isOfBundler = (error: unknown) => error instanceof Error && "errors" in error;

await runTool("build", main, isOfBundler);
