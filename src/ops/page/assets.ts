/** The page's files, read once and kept in memory: a request never names a file. */
import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Packed at the first request: a node that starts has other things to do. */
  gzip(): Buffer;
  readonly etag: string;
  /** Also for those who are not logged in: what the login itself is made of. */
  readonly isPublic: boolean;
}

/** What the page of one program has that others' do not. */
export interface PageProgram {
  /** As a person calls it: `QKD node`. */
  readonly title: string;
  /** Its command: names its cookies, too. */
  readonly command: string;
  /** Folder of its own files: `index.html`, and scripts. */
  readonly folder: string;
  /** Its own scripts, without `.js`. */
  readonly scripts: readonly string[];
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
  "charts",
  "condition",
  "dom",
  "events",
  "export",
  "facts",
  "figures",
  "format",
  "live",
  "shell",
  "tabs",
  "time",
  "way",
];

/** Path, file, type, and whether it is public. */
type Row = readonly [path: string, file: string, type: string, isPublic: boolean];

function table({ folder, scripts: own }: PageProgram): Row[] {
  return [
    ["/", join(folder, "index.html"), html, false],
    ...own.map((name): Row => [`/${name}.js`, join(folder, `${name}.js`), script, false]),
    ...scripts.map((name): Row => [`/${name}.js`, shared(`${name}.js`), script, false]),
    ["/uplot.js", plotting("uPlot.iife.min.js"), script, false],
    ["/uplot.css", plotting("uPlot.min.css"), style, false],
    ["/login", shared("login.html"), html, true],
    ["/page.css", shared("page.css"), style, true],
    ["/theme.js", shared("theme.js"), script, true],
    ["/favicon.svg", shared("favicon.svg"), "image/svg+xml", true],
  ];
}

/** @throws what the file system says, if the installation is not whole */
export function loadAssets(program: PageProgram): ReadonlyMap<string, Asset> {
  return new Map(
    table(program).map(([path, file, type, isPublic]) => {
      const body = readFileSync(file);
      const etag = `"${hash("sha256", body, "base64url").slice(0, 22)}"`;
      let packed: Buffer | undefined;
      const gzip = () => {
        packed ??= gzipSync(body);
        return packed;
      };
      return [path, { type, body, gzip, etag, isPublic }];
    }),
  );
}
