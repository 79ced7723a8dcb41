/** `qkd-km doctor`: it names first what is wrong, and disturbs nothing. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Report } from "../../src/ops/doctor/finding.ts";
import { createAuthority, writeIdentity } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { tooWide } from "../rig/cli.ts";
import { freePort } from "../rig/free-port.ts";
import { KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");
const modules = ["QKD-A-0001", "QKD-B-0001"] as const;

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Beside what else runs in this process: key managers and servers of the test. */
function km(...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

interface Bench {
  readonly folder: string;
  readonly kms: KmPair;
  /** Of alice, who dials. */
  readonly config: string;
  /** Changes alice's configuration. */
  edit(change: (text: string) => string): void;
}

async function bench(t: ExecutionContext): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-doctor-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules, web: "port = 0" });
  t.teardown(() => kms.stop());
  const config = join(folder, "alice.toml");
  const edit: Bench["edit"] = (change) =>
    writeFileSync(config, change(readFileSync(config, "utf8")));
  return { folder, kms, config, edit };
}

async function report({ config }: Pick<Bench, "config">): Promise<Report> {
  const { out, err } = await km("doctor", "--json", "--config", config);
  if (err !== "") throw new Error(err);
  return JSON.parse(out) as Report;
}

function of(report: Report, id: string | undefined) {
  return report.checks.find((check) => check.id === id);
}

interface Broken {
  readonly what: string;
  /** Breaks it; the key managers do not run. */
  readonly by: (bench: Bench, t: ExecutionContext) => unknown;
  /** The check that is named first, and what it says. */
  readonly first: string;
  readonly says: RegExp;
  readonly status?: "warn";
}

const own = (text: string) => /cert = "(.*)"/.exec(text)?.[1] as string;

const table: readonly Broken[] = [
  {
    what: "a key that the configuration does not have",
    by: ({ edit }) => edit((text) => text.replace("[kq1]", "[kq1]\nprot = 1")),
    first: "config",
    says: /kq1\.prot: unknown key; did you mean port/,
  },
  {
    what: "a private key that others may read",
    by: ({ kms }) => chmodSync(kms.alice.own.key, 0o644),
    first: "config",
    says: /make it mode 0600/,
  },
  {
    what: "a master key that is too short",
    by: ({ folder }) => writeFileSync(join(folder, "master-alice"), "short", { mode: 0o600 }),
    first: "master_key",
    says: /32 bytes/,
  },
  {
    what: "the master key of another store",
    async by({ kms, folder }) {
      await kms.alice.start(deadline());
      await kms.alice.process.stop();
      writeFileSync(join(folder, "master-alice"), Buffer.alloc(32, 7), { mode: 0o600 });
    },
    first: "master_key",
    says: /made with another master key/,
  },
  {
    what: "books that are damaged",
    async by({ kms }) {
      await kms.alice.start(deadline());
      await kms.alice.process.stop();
      writeFileSync(join(kms.alice.state, "store", "books.sqlite"), Buffer.alloc(8_192, 7));
    },
    first: "store",
    says: /the books are damaged .*books\.sqlite/,
  },
  {
    what: "a folder in the place of the books",
    async by({ kms }) {
      await kms.alice.start(deadline());
      await kms.alice.process.stop();
      const books = join(kms.alice.state, "store", "books.sqlite");
      rmSync(books);
      mkdirSync(books);
    },
    first: "store",
    says: /books/,
  },
  {
    what: "a state folder that others may write to",
    async by({ kms }) {
      await kms.alice.start(deadline());
      await kms.alice.process.stop();
      chmodSync(kms.alice.state, 0o777);
    },
    first: "state",
    says: /others may write there \(mode 777\)/,
  },
  {
    what: "a certificate that has expired",
    async by({ kms, folder, edit }) {
      const old = await kms.authority.issue({ commonName: "km-alice", usage: "both", days: -1 });
      const files = await writeIdentity(folder, "old", old);
      edit((text) => {
        const at = text.indexOf("[kx]");
        const change = text.slice(at).replace(own(text), files.cert);
        return text.slice(0, at) + change.replace(/key = ".*"/, `key = "${files.key}"`);
      });
    },
    first: "cert.kx.own",
    says: /expired on /,
  },
  {
    what: "a port that another program has",
    async by({ edit }, t) {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      t.teardown(() => void server.close());
      const { port } = server.address() as { port: number };
      edit((text) =>
        text.replace(
          /\[kq1\]\nhost = "127.0.0.1"\nport = \d+/,
          `[kq1]\nhost = "127.0.0.1"\nport = ${port}`,
        ),
      );
    },
    first: "port.kq1.port",
    says: /another program has it/,
  },
  {
    what: "another key manager that does not run",
    by: () => {},
    first: "link.fibre.tcp",
    says: /connection refused/,
  },
  {
    what: "another key manager with a certificate of another CA",
    async by({ kms, folder, edit }) {
      await kms.bob.start(deadline());
      const other = await createAuthority("another CA");
      writeFileSync(join(folder, "other.crt"), other.cert);
      edit((text) => text.replace(/(\[kx\][\s\S]*?)ca = "ca.crt"/, `$1ca = "other.crt"`));
    },
    first: "link.fibre.tls",
    says: /another CA/,
  },
  {
    what: "another key manager under another name",
    async by({ kms, edit }) {
      await kms.bob.start(deadline());
      edit((text) => text.replace(`server_name = "km-bob"`, `server_name = "km-carol"`));
    },
    first: "link.fibre.tls",
    says: /names another KM/,
  },
  {
    what: "a broker that is not running",
    async by({ kms, edit }) {
      await kms.bob.start(deadline());
      const url = `mqtt://127.0.0.1:${await freePort()}`;
      edit((text) => `${text}[manager]\nurl = "${url}"\nprotocol = 4\n`);
    },
    first: "broker.tcp",
    says: /connection refused/,
  },
];

for (const { what, by, first, says, status = "fail" } of table) {
  test.serial(`it names first: ${what}`, async (t) => {
    const world = await bench(t);
    await by(world, t);
    const found = await report(world);
    t.is(found.first, first, JSON.stringify(found.checks, null, 1));
    const check = of(found, first);
    t.is(check?.status, status);
    t.regex(check?.detail ?? "", says);
    t.truthy(check?.advice);
    t.false(found.running);
  });
}

test.serial(
  "of key managers that run it asks, in 80 columns, and their session goes on",
  async (t) => {
    const world = await bench(t);
    const { kms, config } = world;
    await kms.start(deadline());
    const ready = async () => (await kms.alice.status()).links[0]?.session;
    await eventually("a session", ready, { is: "ready" });
    const lines = kms.bob.process.lines.length;
    const said = await km("doctor", "--config", config);
    t.is(said.code, 0, said.out + said.err);
    t.deepEqual(tooWide(said.out), []);
    t.regex(said.out, /KM km-bob +connected, its books agree/);
    t.regex(said.out, /key manager +runs \(process \d+\)/);
    // No key came: that is to be looked at, and no fault of the key manager's.
    t.regex(said.out, /begin with: module m/);
    const found = await report(world);
    t.is(found.km, "km-alice");
    t.is(found.status, "warn");
    t.is(of(found, "link.fibre")?.status, "ok");
    t.is(of(found, "ports")?.status, "skip");
    t.is(await ready(), "ready");
    const since = kms.bob.process.lines.slice(lines).join("\n");
    t.notRegex(since, /KM link|level=warn/, "the other key manager has not noticed");
  },
);

test.serial("of a link that is not up it tells what the key manager says of that", async (t) => {
  const world = await bench(t);
  const { kms, folder } = world;
  const bob = join(folder, "bob.toml");
  // Bob takes his peer to be another: what alice says she is does not fit.
  writeFileSync(bob, readFileSync(bob, "utf8").replaceAll(`"km-bob"`, `"km-bobby"`));
  await kms.start(deadline());
  // Her first complaint may be that he does not listen yet.
  const said = () =>
    kms.alice.process.lines.filter((line) => /at=km\.link\.fibre msg="KM km-bob: /.test(line));
  const refused = (lines: readonly string[]) => /closed/.test(lines.at(-1) ?? "");
  await eventually("alice is refused", said, { when: refused });
  const found = await report(world);
  t.is(found.first, "link.fibre.told", JSON.stringify(found.checks, null, 1));
  t.regex(of(found, "link.fibre.told")?.advice ?? "", /it refuses this one: ask there/);
  const there = of(await report({ config: bob }), "link.fibre.told");
  t.regex(there?.detail ?? "", /the other KM wants to talk to another KM/);
  t.regex(there?.advice ?? "", /compare km\.id there/);
});

test.serial("of a link whose other end stopped it does not say that it refuses", async (t) => {
  const { kms, folder } = await bench(t);
  await kms.start(deadline());
  await eventually("the link", () => kms.bob.process.lines.join("\n"), {
    matches: /KM link is up/,
  });
  // She dials: what he sees of it is a connection that is over, reset if she had not read all that he said.
  await kms.alice.process.stop("SIGKILL");
  const down = () => kms.bob.process.lines.join("\n");
  await eventually("bob sees it", down, { matches: /msg="KM link ended"/ });
  const check = of(await report({ config: join(folder, "bob.toml") }), "link.fibre.told");
  t.regex(check?.detail ?? "", /^the link (was closed|ended: closed by the KM \(\w+\))$/);
  t.regex(check?.advice ?? "", /^it has stopped, or it refuses this one: ask there/);
});

const asRoot = process.getuid?.() === 0 ? test.serial : test.serial.skip;

asRoot("what is another user's it does not judge, and says who is to ask", async (t) => {
  const world = await bench(t);
  const { alice } = world.kms;
  await alice.start(deadline());
  await alice.process.stop();
  chownSync(alice.state, 12_345, 12_345);
  for (const file of readdirSync(alice.state, { recursive: true })) {
    chownSync(join(alice.state, String(file)), 12_345, 12_345);
  }
  const found = await report(world);
  for (const id of ["master_key", "store"]) {
    const check = of(found, id);
    t.is(check?.status, "skip", `${id}: ${check?.detail}`);
    t.regex(check?.detail ?? "", /another user's: ask as uid 12345/);
  }
});
