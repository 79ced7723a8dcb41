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

const own = (name: string) => join(import.meta.dirname, "browser", name);
/** The production build has it beside the others, and no folder of packages. */
const plotting = (name: string) => {
  const beside = own(name);
  const installed = join(import.meta.dirname, "../../../node_modules/uplot/dist", name);
  return existsSync(beside) ? beside : installed;
};

const html = "text/html; charset=utf-8";
const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";

/** Path, file, type, and whether it is public. */
const table: readonly (readonly [string, () => string, string, boolean])[] = [
  ["/", () => own("index.html"), html, false],
  ["/main.js", () => own("main.js"), script, false],
  ["/live.js", () => own("live.js"), script, false],
  ["/panels.js", () => own("panels.js"), script, false],
  ["/dom.js", () => own("dom.js"), script, false],
  ["/facts.js", () => own("facts.js"), script, false],
  ["/flow.js", () => own("flow.js"), script, false],
  ["/plots.js", () => own("plots.js"), script, false],
  ["/format.js", () => own("format.js"), script, false],
  ["/time.js", () => own("time.js"), script, false],
  ["/events.js", () => own("events.js"), script, false],
  ["/export.js", () => own("export.js"), script, false],
  ["/type.js", () => own("type.js"), script, false],
  ["/uplot.js", () => plotting("uPlot.iife.min.js"), script, false],
  ["/uplot.css", () => plotting("uPlot.min.css"), style, false],
  ["/login", () => own("login.html"), html, true],
  ["/page.css", () => own("page.css"), style, true],
  ["/theme.js", () => own("theme.js"), script, true],
  ["/favicon.svg", () => own("favicon.svg"), "image/svg+xml", true],
];

/** @throws what the file system says, if the installation is not whole */
export function loadAssets(): ReadonlyMap<string, Asset> {
  return new Map(
    table.map(([path, file, type, isPublic]) => {
      const body = readFileSync(file());
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
