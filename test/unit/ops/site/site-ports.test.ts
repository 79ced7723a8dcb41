/** What an image's packet filter lets in is what the configuration listens at, and nothing else. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { configSchema as controllerSchema } from "../../../../src/controller/config/schema.ts";
import { listener } from "../../../../src/host/config/values.ts";
import { configSchema as kmSchema } from "../../../../src/km/config/schema.ts";
import { configSchema as nodeSchema } from "../../../../src/node/config/schema.ts";
import { listeners, openPorts } from "../../../../src/ops/site/ports.ts";
import { find, testWith } from "../../../needs.ts";

const script = fileURLToPath(
  new URL("../../../../board/common/rootfs_overlay/usr/lib/qkd-image/firewall", import.meta.url),
);

const files = (texts: Readonly<Record<string, string>>) =>
  new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));

/** A schema of valibot as far as this looks into it. */
interface Schema {
  readonly wrapped?: Schema;
  readonly default?: unknown;
  readonly pipe?: readonly Schema[];
  readonly entries?: Readonly<Record<string, Schema>>;
}

function bare(schema: Schema): Schema {
  if (schema.wrapped !== undefined) return bare(schema.wrapped);
  const first = schema.pipe?.[0];
  return first !== undefined && first !== schema ? bare(first) : schema;
}

test("each table in which a program is told to listen is known to the packet filter", (t) => {
  const programs = {
    "node.toml": nodeSchema,
    "km.toml": kmSchema,
    "controller.toml": controllerSchema,
  };
  for (const [file, schema] of Object.entries(programs)) {
    const known = new Map(listeners[file]?.map((one) => [one.table, one]));
    for (const [table, its] of Object.entries((schema as unknown as Schema).entries ?? {})) {
      const { entries = {} } = bare(its);
      if (entries.host === undefined || bare(entries.host) !== bare(listener as Schema)) continue;
      const one = known.get(table);
      t.truthy(one, `${file}: ${table}`);
      const keys = Object.keys(entries).filter((key) => /(^|_)port$/.test(key));
      t.deepEqual(one?.keys, keys, `${file}: ${table}`);
      t.is(one?.port, entries.port?.default as number | undefined, `${file}: ${table}`);
      t.is(one?.host ?? "::", entries.host.default as string, `${file}: ${table}`);
      known.delete(table);
    }
    t.deepEqual([...known.keys()], [], file);
  }
});

test("ports that other machines reach are opened; this machine's own are not", (t) => {
  const km = `
[kq1]
host = "localhost"
port = 9443
https_port = 9442
[kx]
port = 9444
[etsi014]
host = "192.0.2.1"
port = 9445
[skip]
port = 0
[web]
host = "::"
`;
  t.deepEqual(openPorts(files({ "km.toml": km })), [8_781, 9_444, 9_445]);
  t.deepEqual(
    openPorts(files({ "node.toml": "[web]\nport = 9000\n[server]\nport = 9446" })),
    [9_446],
  );
  t.deepEqual(openPorts(files({ "km.toml": '[web]\nhost = "::"\nenabled = false' })), []);
  t.deepEqual(openPorts(files({ "controller.toml": "[ck]" })), [8_790]);
  t.deepEqual(openPorts(files({ "km.toml": "no TOML", "node.toml": "server = 1" })), []);
  t.deepEqual(openPorts(files({ "node.toml": '[server]\nport = "9; accept"' })), []);
});

/** What the image's script gives to nft. */
function rules(t: ExecutionContext, ports: string | undefined): string {
  const box = mkdtempSync(join(tmpdir(), "qkd-firewall-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  mkdirSync(join(box, "site"));
  if (ports !== undefined) writeFileSync(join(box, "site/ports"), `${ports}\n`);
  writeFileSync(join(box, "nft"), `#!/bin/sh\nexec cat >${box}/rules\n`);
  chmodSync(join(box, "nft"), 0o755);
  const users = "root:x:0:0::/:/\nqkd-node:x:790:790::/:/\n_chrony:x:104:104::/:/\n";
  writeFileSync(join(box, "passwd"), users);
  const env = { PATH: `${box}:${process.env.PATH}`, QKD_SITE: box, QKD_USERS: join(box, "passwd") };
  execFileSync("sh", [script], { env, stdio: "pipe" });
  return readFileSync(join(box, "rules"), "utf8");
}

test("the rules have the configuration's ports, and users that the image has", (t) => {
  t.regex(rules(t, "9444, 9445"), /elements = \{ 9444, 9445 \};/);
  t.regex(rules(t, ""), /skuid \{ 790, 104 \} accept/);
  for (const ports of ["", "1 } }; accept"]) t.notRegex(rules(t, ports), /elements/, ports);
});

testWith("nft", "the kernel takes them, also a second time, and all else is dropped", (t, nft) => {
  t.notRegex(nft, /node_modules/, "a package's program of the same name");
  const unshare = find("unshare") ?? "unshare";
  const input = rules(t, "9444");
  for (const hook of ["input", "forward", "output"]) {
    t.true(input.includes(`hook ${hook} priority filter; policy drop;`), hook);
  }
  const twice = `f=$(cat); echo "$f" | ${nft} -f - && echo "$f" | ${nft} -f -`;
  const { status, stderr } = spawnSync(unshare, ["--net", "sh", "-c", twice], {
    input,
    encoding: "utf8",
  });
  if (status !== 0 && /not permitted|denied/i.test(stderr)) t.pass("needs root");
  else t.is(status, 0, stderr);
});

/** In a network of its own, a machine with these rules, and another one beside it that asks whose an address is. */
const neighbours = (nft: string) => `
set -e
unshare --net sleep 100 & other=$!
trap 'kill $other' EXIT
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
there() { nsenter --net=/proc/$other/ns/net "$@"; }
ip link add here type veth peer name there netns $other
ip addr add fd00::1/64 dev here nodad && ip link set here up
there ip addr add fd00::2/64 dev there nodad && there ip link set there up
${nft} -f -
for i in 1 2 3; do
  there ip neigh flush dev there
  there ping -c 1 -W 1 -q fd00::1 >&2 || true
  there ip neigh show fd00::1
done
`;

testWith("nft", "a flood of echo requests leaves IPv6 its neighbours", (t, nft) => {
  // A limit that is used up at once, as it is by a flood.
  const input = rules(t, "9444").replace("50/second burst 50", "1/day burst 1");
  const { status, stdout, stderr } = spawnSync("unshare", ["--net", "sh", "-c", neighbours(nft)], {
    input,
    encoding: "utf8",
  });
  if (status !== 0 && /not permitted|denied/i.test(stderr)) t.pass("needs root");
  else t.is(stdout.match(/lladdr/g)?.length, 3, stdout + stderr);
});
