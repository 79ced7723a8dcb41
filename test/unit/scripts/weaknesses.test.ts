/** `scripts/weaknesses`, against lists of a test that answer as OSV and nodejs.org document. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const tool = fileURLToPath(new URL("../../../scripts/weaknesses.d/main.ts", import.meta.url));

interface Query {
  readonly package: { readonly ecosystem: string; readonly name: string };
  readonly version: string;
  readonly page_token?: string;
}

const bill = {
  bomFormat: "CycloneDX",
  components: [
    { name: "mqtt", version: "5.16.0", purl: "pkg:npm/mqtt@5.16.0" },
    { name: "@serialport/x", version: "13.0.0", purl: "pkg:npm/%40serialport/x@13.0.0" },
    {
      name: "libudev1",
      version: "252.39-1",
      purl: "pkg:deb/debian/libudev1@252.39-1?arch=arm64&distro=debian-12&upstream=systemd",
      properties: [{ name: "debian:source", value: "systemd 252.39-1" }],
    },
    { name: "node", version: "24.21.0", purl: "pkg:generic/node@24.21.0" },
    { name: "firmware", version: "1", purl: "pkg:generic/firmware@1" },
  ],
};

test("what is known is told, less what was judged; a list that is away is no good news", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-weaknesses-"));
  const asked: Query[] = [];
  let releases: unknown = [];
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/odd/") === true) return response.end("null");
    if (request.url === "/index.json") return response.end(JSON.stringify(releases));
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { queries } = JSON.parse(body) as { queries: readonly Query[] };
      asked.push(...queries);
      const results = queries.map(({ package: { name }, page_token }) => {
        if (name === "systemd" && page_token === undefined) {
          return { vulns: [{ id: "CVE-2026-1" }], next_page_token: "more" };
        }
        return name === "systemd" ? { vulns: [{ id: "CVE-2026-20000" }] } : {};
      });
      response.end(JSON.stringify({ results }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  const base = `http://127.0.0.1:${port}`;
  const [file, judged] = [join(folder, "bill.json"), join(folder, "judged.toml")];
  writeFileSync(file, JSON.stringify(bill));
  writeFileSync(judged, "");
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const all = [tool, file, "--osv", base, "--judged", judged, ...args];
      execFile(process.execPath, all, (error, out, err) =>
        resolve({ code: Number(error?.code ?? 0), out, err }),
      );
    });
  const node = ["--node", `${base}/index.json`];
  const first = await run(...node);
  t.is(first.code, 1);
  t.regex(first.out, /3 packages .* 0 known and judged, 2 not/);
  t.regex(first.out, /CVE-2026-1 {2}systemd 252\.39-1\n {2}CVE-2026-20000/);
  t.regex(first.out, /in no list: firmware 1\n/);
  const ecosystems = asked.map((one) => `${one.package.ecosystem} ${one.package.name}`);
  t.deepEqual(ecosystems, [
    "npm mqtt",
    "npm @serialport/x",
    "Debian:12 systemd",
    "Debian:12 systemd",
  ]);

  const judgement = (id: string, version: string) => `[[weakness]]
id = "${id}"
part = "systemd"
version = "${version}"
state = "not_affected"
justification = "code_not_reachable"
detail = "no"
`;
  writeFileSync(
    judged,
    judgement("CVE-2026-20000", "252.39-1") + judgement("CVE-2026-1000", "252.39-1"),
  );
  t.regex((await run(...node)).out, /1 known and judged, 1 not/);
  // What was judged of another version is judged anew.
  writeFileSync(judged, judgement("CVE-2026-20000", "252.38-1"));
  t.regex((await run(...node)).out, /0 known and judged, 2 not/);

  releases = [
    { version: "v26.1.0", security: true },
    { version: "v24.22.1", security: true },
    { version: "v24.22.0", security: false },
    { version: "v24.20.0", security: true },
  ];
  t.regex((await run(...node)).out, /NODE-v24\.22\.1 {2}node 24\.21\.0/);
  const away = await run("--node", `${base}0/none`);
  // The other list was asked nevertheless, and that it is not all is said in both places.
  t.is(away.code, 69);
  t.regex(away.out, /1 of 2 lists could not be asked/);
  t.regex(away.out, /CVE-2026-1 {2}systemd/);
  t.regex(away.err, /none: .*: what it knows of .*bill\.json was NOT looked up/);
  const neither = await run("--json", "--osv", `${base}0`, "--node", `${base}0/none`);
  t.is(neither.code, 69);
  t.is(JSON.parse(neither.out)[0].unanswered.length, 2);
  // One that answers, though not what a list answers.
  const odd = await run("--osv", `${base}/odd`, ...node);
  t.is(odd.code, 69, odd.out);
  t.regex(odd.err, /not as many answers as questions/);
  t.is((await run("--nonsense")).code, 64);
});

test("a file that is no bill, or has no part in it, is no good news", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-weaknesses-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "bill.json");
  // No list is asked: there is none at this address.
  const lists = ["--osv", "http://127.0.0.1:1", "--node", "http://127.0.0.1:1"];
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [tool, ...args, ...lists], (error, out, err) =>
        resolve({ code: Number(error?.code ?? 0), out, err }),
      );
    });
  const empty = { bomFormat: "CycloneDX", components: [] };
  for (const [text, why] of [
    ["not JSON", /bill\.json: it is not JSON$/m],
    [JSON.stringify({ name: "qkd-node" }), /bill\.json: it is no bill .*bomFormat/],
    [JSON.stringify(empty), /bill\.json: it is no bill .*components/],
    [JSON.stringify({ ...empty, components: [{ name: "mqtt" }] }), /components\.0\.version/],
  ] as const) {
    writeFileSync(file, text);
    const { code, out, err } = await run(file);
    t.deepEqual([code, out], [64, ""], err);
    t.regex(err, why);
  }
  writeFileSync(file, JSON.stringify(bill));
  for (const [args, why] of [
    [[folder], /^weaknesses: \S+: EISDIR/],
    [[file, join(folder, "none.json")], /none\.json: ENOENT/],
    [[file, "--judged", join(folder, "none.toml")], /none\.toml: ENOENT/],
  ] as const) {
    const { code, err } = await run(...args);
    t.is(code, 64);
    t.regex(err, why);
  }
});
