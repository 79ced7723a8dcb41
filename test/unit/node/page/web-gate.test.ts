import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import { verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import { pageContent } from "../../../../src/node/page/content.ts";
import { Page } from "../../../../src/ops/page/page.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import {
  ask,
  assets,
  type Bench,
  login,
  password,
  queries,
  secure,
  shownNode,
  strays,
} from "../../../rig/web-bench.ts";

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
    node.health = { ...node.health, ...verdictKinds.module_down, code: "module_down" };
    const { status, body } = await ask(url, "/readyz");
    t.deepEqual([status, JSON.parse(body.toString())], [503, { ready: false }]);
  });
});

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

test("wrong passwords are told, and looked at more and more seldom, those of one address", async (t) => {
  await secure(async ({ url, clock }) => {
    const guess = async (text: string, headers = {}, from = "127.0.0.1") =>
      (await login(url, text, headers, from)).headers.location;
    for (let i = 0; i < 5; i++) {
      const { status, headers } = await login(url, `guess ${i}`);
      t.deepEqual([status, headers.location], [303, "/login?wrong"]);
      t.is(headers["set-cookie"], undefined);
    }
    t.is(await guess(password), "/login?wait");
    t.is(await guess(password, {}, "127.0.0.2"), "/");
    const form = (await ask(url, "/login?wait")).body.toString();
    t.regex(form, /Too many wrong passwords/);
    t.notRegex((await ask(url, "/login?<script>")).body.toString(), /<script>/);
    await clock.advance(1_000);
    t.is(await guess("guess"), "/login?wrong");
    await clock.advance(1_000);
    t.is(await guess(password), "/login?wait");
    await clock.advance(1_000);
    t.is(await guess(password), "/");
  });
});

test("who was logged in before is not kept out by who guesses from the same address", async (t) => {
  await secure(async ({ url }) => {
    const { headers } = await login(url, password);
    const known = (headers["set-cookie"] ?? []).find((one) => one.includes("-known=")) as string;
    for (const word of ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]) {
      t.true(known.split("; ").includes(word), word);
    }
    const cookie = known.split(";")[0] as string;
    t.is((await ask(url, "/", { headers: { cookie } })).status, 401, "it opens nothing");
    for (let i = 0; i < 50; i++) await login(url, `guess ${i}`);
    t.is((await login(url, password)).headers.location, "/login?wait");
    const mine = await login(url, password, { cookie });
    t.is(mine.headers.location, "/");
    t.is(mine.headers["set-cookie"]?.length, 1, "it is known already");
    // With it no more is to be had than without.
    for (let i = 0; i < 5; i++) await login(url, `guess ${i}`, { cookie });
    t.is((await login(url, password, { cookie })).headers.location, "/login?wait");
  });
});

test("guesses from a thousand addresses keep nobody out, and fill no log", async (t) => {
  const lines: string[] = [];
  await secure(
    async ({ url }) => {
      for (let n = 0; n < 300; n++)
        await login(url, "guess", {}, `127.0.${1 + (n >> 7)}.${n & 127}`);
      t.is((await login(url, password)).headers.location, "/");
      t.true(lines.length <= 61, String(lines.length));
    },
    { log: createLog((line) => lines.push(line), "info") },
  );
});

test("a login that its client breaks off, or does not end, is no error of the page", async (t) => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "info");
  const options = { times: { request: 200 } };
  const body = async ({ url }: Bench) => {
    const { host, origin, port } = new URL(url);
    const head = `Host: ${host}\r\nOrigin: ${origin}\r\nContent-Length: 99`;
    for (const leaves of [true, false]) {
      const socket = connect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
      socket.resume().on("error", () => {});
      const closed = once(socket, "close");
      socket.write(`POST /login HTTP/1.1\r\n${head}\r\n\r\npass`, () => {
        if (leaves) socket.destroy();
      });
      await closed;
    }
    t.is((await login(url, "not the password")).headers.location, "/login?wrong");
    await eventually("lines", () => lines.length, { atLeast: 1 });
    t.notRegex(lines.join("\n"), /internal error/);
  };
  await secure(body, { log }, {}, options);
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

test("the token opens the metrics and only them, whoever guesses passwords", async (t) => {
  const token = "t".repeat(32);
  let now = token;
  await secure(
    async ({ url }) => {
      const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });
      for (let i = 0; i < 50; i++) await login(url, `guess ${i}`);
      t.is((await ask(url, "/metrics", bearer(token))).status, 200);
      for (const wrong of ["", "x", `${token}t`, "t".repeat(31), "t ".repeat(16)]) {
        t.is((await ask(url, "/metrics", bearer(wrong))).status, 401, wrong);
      }
      for (const path of ["/", "/api/state", "/api/stream", "/api/history"]) {
        t.is((await ask(url, path, bearer(token))).status, 401, path);
      }
      now = "short";
      t.is((await ask(url, "/metrics", bearer("short"))).status, 401);
      now = "n".repeat(40);
      t.is((await ask(url, "/metrics", bearer(token))).status, 401);
      t.is((await ask(url, "/metrics", bearer(now))).status, 200);
    },
    {},
    { metricsToken: () => now },
  );
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
  const node = shownNode(clock);
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
      content: () => pageContent(node, clock),
      clock,
      random: () => 0.5,
      log: createLog((line) => lines.push(line), "info"),
    },
  );
  await eventually("lines", () => lines.length, { is: 1 });
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
