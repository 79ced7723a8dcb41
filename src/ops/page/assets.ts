/** The page's files, read once and kept in memory: a request never names a file. */
import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { composed, type PageWords } from "./template.ts";

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Packed at the first request: a node that starts has other things to do. */
  gzip(): Buffer;
  readonly etag: string;
  /** Also for those who are not logged in: what the login itself is made of. */
  readonly isPublic: boolean;
}

/** What the page of one program has that others' do not. Its command names its cookies, too. */
export interface PageProgram extends PageWords {
  /** Folder of its own files: `main.html`, scripts, styles. */
  readonly folder: string;
  /** Its own scripts, without `.js`. */
  readonly scripts: readonly string[];
  /** Its own styles, without `.css`. */
  readonly styles?: readonly string[];
  /** Whether alarms of others are listed below its own: `told.html`. */
  readonly told?: boolean;
  /** Whether it has figures over time. */
  readonly plots: boolean;
}

const shared = (name: string) => join(import.meta.dirname, "browser", name);
/** The production build has it beside the others, and no folder of packages. */
const plotting = (name: string) => {
  const beside = shared(name);
  const installed = join(import.meta.dirname, "../../../node_modules/uplot/dist", name);
  return existsSync(beside) ? beside : installed;
};

const html = "text/html; charset=utf-8";
const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";

/** Scripts that all pages have. */
const scripts = [
  "alarms",
  "aloud",
  "condition",
  "dom",
  "facts",
  "figures",
  "format",
  "live",
  "received",
  "shell",
  "time",
];
/** Scripts of those with figures over time. */
const plotted = ["charts", "events", "export", "past", "tabs", "way"];

/** Path, file, type, and whether it is public. */
type Row = readonly [path: string, file: string, type: string, isPublic: boolean];

function table({ folder, scripts: own, styles = [], plots }: PageProgram): Row[] {
  const common = plots ? [...scripts, ...plotted] : scripts;
  const plotters: Row[] = [
    ["/uplot.js", plotting("uPlot.iife.min.js"), script, false],
    ["/uplot.css", plotting("uPlot.min.css"), style, false],
  ];
  return [
    ...own.map((name): Row => [`/${name}.js`, join(folder, `${name}.js`), script, false]),
    ...styles.map((name): Row => [`/${name}.css`, join(folder, `${name}.css`), style, false]),
    ...common.map((name): Row => [`/${name}.js`, shared(`${name}.js`), script, false]),
    ...(plots ? plotters : []),
    ["/login", shared("login.html"), html, true],
    ["/page.css", shared("page.css"), style, true],
    ["/theme.js", shared("theme.js"), script, true],
    ["/favicon.svg", shared("favicon.svg"), "image/svg+xml", true],
  ];
}

/** The page itself: `main.html` is the program's own, all other parts are shared. */
function index(program: PageProgram): Buffer {
  const { folder, plots, told = false, styles = [] } = program;
  const read = (file: string) => readFileSync(file, "utf8");
  const part = (name: string) => {
    if (name === "main") return read(join(folder, "main.html"));
    if (name === "plotting" && !plots) return "";
    if (name === "told") return told ? read(join(folder, "told.html")) : "";
    if (name === "styles")
      return styles.map((one) => `<link rel="stylesheet" href="/${one}.css">\n`).join("");
    return read(shared(`part-${name}.html`));
  };
  return Buffer.from(composed(read(shared("index.html")), part, program));
}

function assetOf(body: Buffer, type: string, isPublic: boolean): Asset {
  const etag = `"${hash("sha256", body, "base64url").slice(0, 22)}"`;
  let packed: Buffer | undefined;
  const gzip = () => {
    packed ??= gzipSync(body);
    return packed;
  };
  return { type, body, gzip, etag, isPublic };
}

/** @throws what the file system says, if the installation is not whole */
export function loadAssets(program: PageProgram): ReadonlyMap<string, Asset> {
  const files = table(program).map(([path, file, type, isPublic]): [string, Asset] => [
    path,
    assetOf(readFileSync(file), type, isPublic),
  ]);
  return new Map([["/", assetOf(index(program), html, false)], ...files]);
}
