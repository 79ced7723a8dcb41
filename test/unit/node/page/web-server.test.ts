import { createServer } from "node:net";
import { gunzipSync } from "node:zlib";
import test from "ava";
import { createLog, silentLog } from "../../../../src/base/log.ts";
import { verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import { pageContent } from "../../../../src/node/page/content.ts";
import { nodePage } from "../../../../src/node/page/program.ts";
import { loadAssets } from "../../../../src/ops/page/assets.ts";
import { Page } from "../../../../src/ops/page/page.ts";
import { WebServer } from "../../../../src/ops/page/server.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { ask, assets, queries, serving, shownNode, strays } from "../../../rig/web-bench.ts";

test("the whole page is under 200 KB before it is packed, and nothing in it is inline or from elsewhere", (t) => {
  let bytes = 0;
  for (const [path, { body, type }] of loadAssets(nodePage)) {
    bytes += body.length;
    const text = body.toString("utf8");
    if (type.startsWith("text/html")) {
      t.notRegex(text, /<script(?![^>]*\bsrc=)/, path);
      t.notRegex(text, /<style|\sstyle=|\son\w+=|javascript:/, path);
    }
    // Names in comments and of XML are no addresses that anything is fetched from.
    const outside = text.match(/\bhttps?:\/\/[\w./-]+/g) ?? [];
    const known = /^http:\/\/www\.w3\.org\/|^https:\/\/github\.com\/leeoniya\/uPlot/;
    t.deepEqual(
      outside.filter((url) => !known.test(url)),
      [],
      path,
    );
  }
  t.log(`${bytes} bytes`);
  t.true(bytes < 200_000, `${bytes} bytes`);
});

test("every route answers, with the headers that keep a page to itself", async (t) => {
  await serving(async ({ url }) => {
    for (const path of [...assets, ...queries, "/healthz", "/readyz"]) {
      const { status, headers } = await ask(url, path);
      t.is(status, 200, path);
      t.regex(
        headers["content-security-policy"] as string,
        /^default-src 'none'; script-src 'self';/,
      );
      t.notRegex(headers["content-security-policy"] as string, /unsafe|https?:|\*/);
      t.is(headers["x-content-type-options"], "nosniff");
      t.is(headers["cross-origin-resource-policy"], "same-origin");
      t.is(headers["access-control-allow-origin"], undefined);
    }
    const { headers, body, status } = await ask(url, "/main.js", {
      headers: { "accept-encoding": "gzip" },
    });
    t.is(status, 200);
    t.deepEqual(gunzipSync(body), loadAssets(nodePage).get("/main.js")?.body);
    const again = { "if-none-match": headers.etag as string };
    t.is((await ask(url, "/main.js", { headers: again })).status, 304);
    t.is((await ask(url, "/metrics", { method: "HEAD" })).body.length, 0);
  });
});

test("what is not in the table is not there, however it is spelled", async (t) => {
  await serving(async ({ url }) => {
    for (const path of strays) t.is((await ask(url, path)).status, 404, path);
    for (const query of [
      "?module=bob&window=15m",
      "?module=alice&window=1y",
      "",
      "?module=__proto__&window=1h",
    ]) {
      t.is((await ask(url, `/api/history${query}`)).status, 404, query);
    }
  });
});

test("nothing can be changed: other methods are refused", async (t) => {
  await serving(async ({ url }) => {
    for (const path of [...assets, "/api/state", "/metrics", "/healthz"]) {
      for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const { status, headers } = await ask(url, path, { method });
        t.is(status, 405, `${method} ${path}`);
        t.is(headers.allow, "GET");
      }
    }
  });
});

test("a name that is not ours is misdirected, on every route", async (t) => {
  await serving(async ({ url }) => {
    for (const path of [...assets, ...queries, "/healthz", "/nowhere"]) {
      for (const host of ["evil.example", "localhost.evil.example:80", "node-a.example@evil"]) {
        t.is((await ask(url, path, { headers: { host } })).status, 421, `${host} ${path}`);
      }
    }
    for (const host of ["localhost:9000", "node-a.example", "[::1]:1", "192.0.2.7"]) {
      t.is((await ask(url, "/", { headers: { host } })).status, 200, host);
    }
  });
});

test("not alive without progress, not ready while no key can arrive", async (t) => {
  await serving(async ({ url, clock, node }) => {
    t.is((await ask(url, "/healthz")).body.toString(), "ok\n");
    await clock.advance(60_000);
    t.is((await ask(url, "/healthz")).status, 200);
    node.recorder.stop();
    await clock.advance(20_000);
    t.is((await ask(url, "/healthz")).status, 503);
    const good = node.health;
    for (const code of [
      "module_down",
      "km_silent",
      "ledger_failed",
      "first_key",
      "stopped",
    ] as const) {
      node.health = { ...good, ...verdictKinds[code], code, text: "why" };
      const { status, body } = await ask(url, "/readyz");
      t.is(status, 503, code);
      t.like(JSON.parse(body.toString()), { ready: false, modules: [{ health: { text: "why" } }] });
    }
    node.health = good;
    t.is((await ask(url, "/readyz")).status, 200);
  });
});

test("without TLS and a login the page listens on loopback only, whatever it was told", async (t) => {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const options = { host: "0.0.0.0", port: 0, names: [], secure: undefined };
  const server = new WebServer(options, {
    content: pageContent(node, clock),
    clock,
    log: silentLog,
  });
  await t.throwsAsync(server.listen(), { message: /for loopback only/ });
});

test("a port in use is a warning, and the page comes when it is free", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const lines: string[] = [];
  const clock = new ManualClock();
  const config = { enabled: true, host: "127.0.0.1", port, names: [] };
  const node = shownNode(clock);
  const page = new Page(config, {
    content: () => pageContent(node, clock),
    clock,
    random: () => 0.5,
    log: createLog((line) => lines.push(line), "info"),
  });
  await eventually("lines", () => lines.length, { is: 1 });
  t.regex(lines[0] as string, /level=warn .*port is in use/);
  await new Promise((resolve) => other.close(resolve));
  await clock.advance(1_000);
  await eventually("lines", () => lines.length, { is: 2 });
  t.regex(lines[1] as string, new RegExp(`msg="page" url=http://127.0.0.1:${port}/`));
  t.is((await ask(`http://127.0.0.1:${port}`, "/healthz")).status, 200);
  await page.stop();
});

test("the page's own scripts ask for nothing that the server does not have", (t) => {
  const files = loadAssets(nodePage);
  for (const [path, { body }] of files) {
    if (!path.endsWith(".js") || path === "/uplot.js") continue;
    const text = body.toString("utf8");
    for (const [, name] of text.matchAll(/from "\.\/([\w.]+)"/g))
      t.true(files.has(`/${name}`), name);
  }
});
