import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { createLog, silentLog } from "../../src/port/log.ts";
import { loadAssets } from "../../src/web/assets.ts";
import { type WebOptions, WebServer } from "../../src/web/server.ts";
import { mostViewers } from "../../src/web/stream.ts";
import { Page } from "../../src/web/web.ts";
import { ManualClock } from "../clock.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { ask, shownNode } from "../rig/web-bench.ts";

const password = "a password for a test";

interface Bench {
  readonly url: string;
  readonly clock: ManualClock;
  readonly node: ReturnType<typeof shownNode>;
  readonly server: WebServer;
}

async function serving(
  body: (bench: Bench) => Promise<void>,
  options: Partial<WebOptions> = {},
): Promise<void> {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const server = new WebServer(
    { host: "127.0.0.1", port: 0, names: ["node-a.example"], secure: undefined, ...options },
    { node, clock, log: silentLog },
  );
  const url = await server.listen();
  try {
    await body({ url, clock, node, server });
  } finally {
    await server.close();
  }
}

async function secure(body: (bench: Bench) => Promise<void>): Promise<void> {
  const authority = await createAuthority("page CA");
  const identity = await authority.issue({ commonName: "n", dns: ["n"], usage: "server" });
  await serving(body, { secure: { ...identity, password: () => password } });
}

const assets = [...loadAssets().keys()].filter((path) => path !== "/login");
const queries = ["/api/history?module=alice&window=15m", "/api/state", "/metrics"];

test("the whole page is under 200 KB before it is packed, and nothing in it is inline or from elsewhere", (t) => {
  let bytes = 0;
  for (const [path, { body, type }] of loadAssets()) {
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
    t.deepEqual(gunzipSync(body), loadAssets().get("/main.js")?.body);
    const again = { "if-none-match": headers.etag as string };
    t.is((await ask(url, "/main.js", { headers: again })).status, 304);
    t.is((await ask(url, "/metrics", { method: "HEAD" })).body.length, 0);
  });
});

const strays = [
  "/login",
  "/logout",
  "/index.html",
  "/page",
  "/page/",
  "/main.js/",
  "/../package.json",
  "/..%2f..%2fpackage.json",
  "/%2e%2e/%2e%2e/src/main.ts",
  "/....//....//etc/passwd",
  "/page.css%00.html",
  "//evil.example/",
  "/api",
  "/api/keys",
  "/api/stream/",
  "http://evil.example/",
  "*",
  "/%",
  "/__proto__",
  "/constructor",
];

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

test("without a login only the login, its looks, and health can be fetched", async (t) => {
  await secure(async ({ url, node }) => {
    const open = ["/page.css", "/theme.js", "/favicon.svg", "/login", "/healthz", "/readyz"];
    for (const path of open) t.is((await ask(url, path)).status, 200, path);
    const closed = [...assets, ...queries, ...strays, "/api/stream", "/nowhere"];
    for (const path of closed.filter((path) => !open.includes(path))) {
      for (const cookie of ["", "__Host-qkd-node=", `__Host-qkd-node=${"A".repeat(43)}`]) {
        const { status, body } = await ask(url, path, { headers: { cookie } });
        t.is(status, 401, path);
        t.is(body.toString(), "login needed: /login\n");
      }
      const headers = { "sec-fetch-mode": "navigate" };
      const { status, headers: answered } = await ask(url, path, { headers });
      t.is(status, 303, path);
      t.is(answered.location, "/login");
    }
    node.state = { ...node.state, module: "DOWN", reason: "module: unplugged" };
    const { status, body } = await ask(url, "/readyz");
    t.deepEqual([status, JSON.parse(body.toString())], [503, { ready: false }]);
  });
});

function login(url: string, text: string, more: Record<string, string> = {}, from?: string) {
  const { host, origin } = new URL(url);
  return ask(url, "/login", {
    method: "POST",
    headers: { host, origin, "content-type": "application/x-www-form-urlencoded", ...more },
    body: `password=${encodeURIComponent(text)}`,
    ...(from !== undefined && { from }),
  });
}

test("the password opens the page until the logout, by a cookie that scripts and others don't get", async (t) => {
  await secure(async ({ url, clock }) => {
    const { status, headers } = await login(url, password);
    t.is(status, 303);
    t.is(headers.location, "/");
    const [set = ""] = headers["set-cookie"] ?? [];
    for (const word of ["Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=43200"]) {
      t.true(set.split("; ").includes(word), word);
    }
    t.notRegex(set, /Domain/);
    const cookie = `other=1; ${set.split(";")[0]}`;
    for (const path of [...assets, ...queries]) {
      t.is((await ask(url, path, { headers: { cookie } })).status, 200, path);
    }
    t.is((await ask(url, "/nowhere", { headers: { cookie } })).status, 404);
    const { origin } = new URL(url);
    const elsewhere = { cookie, origin: "https://evil.example" };
    t.is((await ask(url, "/logout", { method: "POST", headers: elsewhere })).status, 403);
    t.is((await ask(url, "/", { headers: { cookie } })).status, 200);
    const second = await login(url, password);
    t.is((await ask(url, "/logout", { method: "POST", headers: { cookie, origin } })).status, 303);
    t.is((await ask(url, "/", { headers: { cookie } })).status, 401);
    const other = String(second.headers["set-cookie"]).split(";")[0] as string;
    t.is((await ask(url, "/", { headers: { cookie: other } })).status, 200);
    await clock.advance(12 * 3_600_000);
    t.is((await ask(url, "/", { headers: { cookie: other } })).status, 401);
  });
});

test("wrong passwords are told, counted by address, and end for a minute", async (t) => {
  await secure(async ({ url, clock }) => {
    for (let i = 0; i < 5; i++) {
      const { status, headers } = await login(url, `guess ${i}`);
      t.deepEqual([status, headers.location], [303, "/login?wrong"]);
      t.is(headers["set-cookie"], undefined);
    }
    t.is((await login(url, password)).headers.location, "/login?wait");
    t.is((await login(url, password, {}, "127.0.0.2")).headers.location, "/");
    const form = (await ask(url, "/login?wait")).body.toString();
    t.regex(form, /Too many wrong passwords/);
    t.notRegex((await ask(url, "/login?<script>")).body.toString(), /<script>/);
    await clock.advance(60_000);
    t.is((await login(url, password)).headers.location, "/");
  });
});

test("a login from another site's page, or a long one, is refused", async (t) => {
  await secure(async ({ url }) => {
    for (const origin of ["https://evil.example", "null", `${new URL(url).origin}.evil`]) {
      t.is((await login(url, password, { origin })).status, 403, origin);
    }
    t.is((await login(url, "x".repeat(2_000))).status, 413);
    // A browser always says where a form comes from.
    const { status } = await ask(url, "/login", { method: "POST", body: `password=${password}` });
    t.is(status, 403);
  });
});

test("the password in the request opens the metrics, and only them", async (t) => {
  await secure(async ({ url }) => {
    const basic = (user: string, text: string) => {
      return { authorization: `Basic ${Buffer.from(`${user}:${text}`).toString("base64")}` };
    };
    t.is((await ask(url, "/metrics", { headers: basic("prometheus", password) })).status, 200);
    t.is((await ask(url, "/", { headers: basic("prometheus", password) })).status, 401);
    const { status, headers } = await ask(url, "/metrics", { headers: basic("a", "wrong") });
    t.is(status, 401);
    t.regex(headers["www-authenticate"] as string, /^Basic /);
    for (const authorization of ["Basic", "Basic !", "Bearer x", `Basic ${"A".repeat(5_000)}`]) {
      t.is((await ask(url, "/metrics", { headers: { authorization } })).status, 401);
    }
  });
});

/** Opens a stream by hand. */
function watch(url: string): Promise<{ socket: Socket; text: () => string }> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}api/stream`, (response) => {
      let text = "";
      response.on("error", () => {});
      response.on("data", (chunk) => {
        text += chunk;
        resolve({ socket: response.socket, text: () => text });
      });
    });
    request.on("error", reject);
  });
}

async function until(t: ExecutionContext, condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) t.fail("too late");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function states(text: string): { alarms: { name: string }[]; events: { sequence: number }[] }[] {
  return [...text.matchAll(/^data: (.+)$/gm)].map((match) => JSON.parse(match[1] as string));
}

test("a stream tells all at first, then once a second, and at once when something happens", async (t) => {
  await serving(async ({ url, clock, node, server }) => {
    const { text, socket } = await watch(url);
    t.regex(text(), /^retry: 1000\n\nevent: state\ndata: /);
    await clock.advance(1_000);
    await until(t, () => states(text()).length === 2);
    node.book.signal(
      "qber_high",
      "alice",
      { level: "critical", value: 0.12 },
      { now: clock.now(), wall: clock.wall() },
    );
    for (let i = 0; i < 100; i++) server.poke();
    await clock.advance(200);
    await until(t, () => states(text()).length === 3);
    t.is(states(text())[2]?.alarms[0]?.name, "qber_high");
    t.is(states(text())[2]?.events.length, 1);
    await clock.advance(3_000);
    await until(t, () => states(text()).length === 6);
    t.is(states(text())[5]?.events.length, 0);
    socket.destroy();
  });
});

test("nothing is made when nobody watches", async (t) => {
  await serving(async ({ url, clock }) => {
    const before = clock.timers;
    const { socket } = await watch(url);
    t.is(clock.timers, before + 1);
    socket.destroy();
    await until(t, () => clock.timers === before);
  });
});

test("more browsers than fit are told so; the others go on", async (t) => {
  await serving(async ({ url }) => {
    const streams = await Promise.all(Array.from({ length: mostViewers }, () => watch(url)));
    const { status, headers } = await ask(url, "/api/stream");
    t.is(status, 503);
    t.is(headers["retry-after"], "10");
    streams[0]?.socket.destroy();
    const viewers = `qkd_page_viewers ${mostViewers - 1}\n`;
    while (!(await ask(url, "/metrics")).body.toString().includes(viewers)) t.pass();
    for (const { socket } of streams) socket.destroy();
  });
});

test("a browser that does not read is dropped before it takes memory", async (t) => {
  await serving(async ({ url, clock, node }) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    let closed = false;
    socket.on("close", () => {
      closed = true;
    });
    socket.on("error", () => {});
    socket.write("GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.pause();
    // Messages as long as they may be.
    for (let i = 0; i < 100; i++) {
      node.history.add({ type: "x", at: 0, facts: { text: "y".repeat(200) } });
    }
    const viewers = async () => {
      const text = (await ask(url, "/metrics")).body.toString();
      return /^qkd_page_viewers (\d+)$/m.exec(text)?.[1];
    };
    t.is(await viewers(), "1");
    for (let i = 0; i < 4_000 && (await viewers()) === "1"; i += 1) {
      for (let j = 0; j < 20; j++) {
        node.history.add({ type: "x", at: 0, facts: { text: "y".repeat(20_000) } });
      }
      await clock.advance(1_000);
    }
    t.is(await viewers(), "0");
    socket.resume();
    await until(t, () => closed);
  });
});

test("not alive without progress, not ready without module and KM", async (t) => {
  await serving(async ({ url, clock, node }) => {
    t.is((await ask(url, "/healthz")).body.toString(), "ok\n");
    await clock.advance(60_000);
    t.is((await ask(url, "/healthz")).status, 200);
    node.recorder.stop();
    await clock.advance(20_000);
    t.is((await ask(url, "/healthz")).status, 503);
    const good = node.state;
    for (const change of [
      { module: "DOWN" as const },
      { km: "DOWN" as const },
      { reason: "ledger: disk is full" },
    ]) {
      node.state = { ...good, ...change };
      const { status, body } = await ask(url, "/readyz");
      t.is(status, 503);
      t.like(JSON.parse(body.toString()), { ready: false, modules: [{ name: "alice" }] });
    }
    node.state = good;
    t.is((await ask(url, "/readyz")).status, 200);
  });
});

test("without TLS and a login the page listens on loopback only, whatever it was told", async (t) => {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const options = { host: "0.0.0.0", port: 0, names: [], secure: undefined };
  const server = new WebServer(options, { node, clock, log: silentLog });
  await t.throwsAsync(server.listen(), { message: /for loopback only/ });
});

test("a port in use is a warning, and the page comes when it is free", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-page-"));
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const lines: string[] = [];
  const clock = new ManualClock();
  const config = { enabled: true, host: "127.0.0.1", port, names: [] };
  const page = new Page(config, {
    node: shownNode(clock),
    clock,
    random: () => 0.5,
    log: createLog((line) => lines.push(line), "info"),
  });
  await until(t, () => lines.length === 1);
  t.regex(lines[0] as string, /level=warn .*port is in use/);
  await new Promise((resolve) => other.close(resolve));
  await clock.advance(1_000);
  await until(t, () => lines.length === 2);
  t.regex(lines[1] as string, new RegExp(`msg="page" url=http://127.0.0.1:${port}/`));
  t.is((await ask(`http://127.0.0.1:${port}`, "/healthz")).status, 200);
  await page.stop();
  rmSync(folder, { recursive: true });
});

test("the page's password and certificate are read anew; an emptied file lets nobody in", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-page-"));
  const authority = await createAuthority("page CA");
  const write = async () => {
    const identity = await authority.issue({ commonName: "n", dns: ["n"], usage: "server" });
    writeFileSync(join(folder, "cert"), identity.cert);
    writeFileSync(join(folder, "key"), identity.key);
  };
  await write();
  const file = join(folder, "password");
  writeFileSync(file, `${password}\n`);
  const lines: string[] = [];
  const clock = new ManualClock();
  const page = new Page(
    {
      enabled: true,
      host: "127.0.0.1",
      port: 0,
      names: [],
      cert: join(folder, "cert"),
      key: join(folder, "key"),
      password_file: file,
    },
    {
      node: shownNode(clock),
      clock,
      random: () => 0.5,
      log: createLog((line) => lines.push(line), "info"),
    },
  );
  await until(t, () => lines.length === 1);
  const url = /url=(\S+)/.exec(lines[0] as string)?.[1] as string;
  t.is((await login(url, password)).headers.location, "/");
  writeFileSync(file, "another password\n");
  t.is((await login(url, password)).headers.location, "/login?wrong");
  t.is((await login(url, "another password")).headers.location, "/");
  writeFileSync(file, "");
  t.is((await login(url, "")).headers.location, "/login?wrong");
  await write();
  t.notThrows(() => page.renew());
  writeFileSync(join(folder, "cert"), "no certificate");
  t.throws(() => page.renew());
  t.is((await ask(url, "/healthz")).status, 200);
  await page.stop();
  for (const line of lines) t.false(line.includes("password for") || line.includes("guess"));
  rmSync(folder, { recursive: true });
});

test("the page's own scripts ask for nothing that the server does not have", (t) => {
  const paths = new Set(loadAssets().keys());
  for (const path of paths) {
    if (!path.endsWith(".js") || path === "/uplot.js") continue;
    const text = readFileSync(new URL(`../../src/web/page${path}`, import.meta.url), "utf8");
    for (const [, name] of text.matchAll(/from "\.\/([\w.]+)"/g))
      t.true(paths.has(`/${name}`), name);
  }
});
