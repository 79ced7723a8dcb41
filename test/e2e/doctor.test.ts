import {
  appendFileSync,
  chmodSync,
  chownSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import type { Subject } from "../../src/node/doctor/subject.ts";
import { openLedger } from "../../src/node/ledger/ledgers.ts";
import { openState } from "../../src/node/state/state.ts";
import { StateStore } from "../../src/node/state/store.ts";
import type { Finding, Report } from "../../src/ops/doctor/finding.ts";
import { createAuthority } from "../emulator/certificates.ts";
import { problemsOf, qkdNode, tooWide } from "../rig/cli.ts";
import { DoctorBench } from "../rig/doctor-bench.ts";
import { withNode } from "../rig/one-node.ts";
import { isShort } from "../whole-run.ts";

interface Broken {
  readonly what: string;
  /** Breaks it. @returns what is otherwise for the doctor, if anything */
  readonly by: (bench: DoctorBench) => unknown;
  /** The check that has to be named first, and what it says. */
  readonly first: string;
  readonly says: RegExp;
  readonly status?: Finding["status"];
}

const root = process.getuid?.() === 0;
const at = (wall: string): Partial<Subject> => ({
  clock: { ...systemClock, wall: () => Date.parse(wall) },
});

/** In the order of the checks: each of them broken in turn, the node not running. */
const table: readonly Broken[] = [
  {
    what: "a key that the configuration does not have",
    by: (bench) => bench.write({ km: { windwo: 5 } }),
    first: "config",
    says: /km\.main\.windwo: unknown key; did you mean window/,
  },
  {
    what: "a private key that others may read",
    by: ({ folder }) => chmodSync(join(folder, "node.key"), 0o644),
    first: "config",
    says: /others may use .*node\.key; make it mode 0600/,
  },
  {
    what: "a certificate file that is not there",
    by: (bench) => bench.write({ km: { cert: "none.crt" } }),
    first: "config",
    says: /km\.main\.cert: .*none\.crt cannot be read: no such file/,
  },
  {
    what: "a state folder that others may write to",
    by: ({ folder }) => chmodSync(join(folder, "state"), 0o777),
    first: "state",
    says: /others may write there \(mode 777\)/,
  },
  {
    what: "a generation of the state that is damaged",
    async by({ folder }) {
      await openState(diskFiles, join(folder, "state"));
      writeFileSync(join(folder, "state/state.0"), "nothing");
    },
    first: "state.files",
    says: /state\.0 was damaged: the other generation is used/,
    status: "warn",
  },
  {
    what: "a state that is damaged altogether",
    by({ folder }) {
      for (const which of [0, 1]) writeFileSync(join(folder, `state/state.${which}`), "nothing");
    },
    first: "state.files",
    says: /damaged in both generations/,
  },
  {
    what: "a ledger that no module has",
    async by({ folder }) {
      const state = new StateStore(await openState(diskFiles, join(folder, "state")));
      const recording = { files: diskFiles, folder: join(folder, "state"), state, options: {} };
      await (await openLedger(recording, "bob", silentLog)).close();
    },
    first: "ledgers",
    says: /of no module that is configured: bob/,
    status: "warn",
  },
  {
    what: "a device that is not there",
    by: ({ end }) => end.unplug(),
    first: "device.alice",
    says: /there is no .*alice\.tty/,
  },
  {
    what: "a device that the node's user may not use",
    by({ folder }) {
      const device = realpathSync(join(folder, "alice.tty"));
      if (root) chownSync(join(folder, "state"), 65_534, 65_534);
      chmodSync(device, root ? 0o600 : 0);
    },
    first: "device.alice",
    says: /may not use .*alice\.tty \(\w+:\w+, mode [06]00\)/,
  },
  {
    what: "a module that says nothing",
    by: ({ end }) => end.line.stall(600_000),
    first: "module.alice.answers",
    says: /nothing that speaks QMLP answers/,
  },
  {
    what: "another module",
    by: (bench) => bench.write({ module: { module_id: "QKD-A-0815" } }),
    first: "module.alice.identity",
    says: /another module answers: QKD-A-0001 instead of QKD-A-0815/,
  },
  {
    what: "a QBER above the limit",
    by(bench) {
      bench.qber = 0.15;
    },
    first: "module.alice.state",
    says: /QBER 15\.00 %, limit 11\.00 %/,
  },
  {
    what: "a clock without a battery",
    by: () => at("2000-01-01T00:00:00Z"),
    first: "clock",
    says: /2000-01-01T00:00:\d\d UTC is before this software existed/,
  },
  {
    what: "a certificate that has expired",
    by: (bench) => bench.issue("node", -2),
    first: "cert.km.main.own",
    says: /node\.crt: expired on 20/,
  },
  {
    what: "a private key of another certificate",
    async by(bench) {
      await bench.issue("other", 90);
      writeFileSync(join(bench.folder, "node.key"), readFileSync(join(bench.folder, "other.key")));
    },
    first: "cert.km.main.own",
    says: /the private key belongs to another certificate/,
  },
  {
    what: "a CA file with something else in it",
    by: ({ folder }) => writeFileSync(join(folder, "ca.crt"), "nothing"),
    first: "cert.km.main.ca",
    says: /holds no certificate/,
  },
  {
    what: "a revocation list of another CA",
    by: async (bench) => bench.list(30, await createAuthority("another CA")),
    first: "config",
    says: /km\.main\.crl: .*km\.crl holds a list that no CA of ca has signed \(CN=another CA\)/,
  },
  {
    what: "a revocation list that has run out",
    by: (bench) => bench.list(-3),
    first: "cert.km.main.crl",
    says: /km\.crl: CN=.*: has run out on 20\d\d-\d\d-\d\d; who is on it stays out/,
    status: "warn",
  },
  {
    what: "a revocation list that soon runs out",
    by: (bench) => bench.list(0.1),
    first: "cert.km.main.crl",
    says: /km\.crl: CN=.*: 0 days left, until/,
    status: "warn",
  },
  {
    what: "a name of the KM that nobody knows",
    by: (bench) => bench.write({ km: { host: "km.invalid" } }),
    first: "km.main.dns",
    says: /km\.invalid: (no such name|the name server does not answer)/,
  },
  {
    what: "a KM that is not running",
    by: async (bench) => bench.write({ km: { port: await bench.closedPort() } }),
    first: "km.main.tcp",
    says: /127\.0\.0\.1 port \d+: connection refused/,
  },
  {
    what: "something else than TLS on the KM's port",
    by: async (bench) =>
      bench.write({ km: { port: await bench.server("silent"), connect_timeout_s: 0.5 } }),
    first: "km.main.tls",
    says: /no connection within 500 ms/,
  },
  {
    what: "a KM with a certificate from another CA",
    by: async (bench) => bench.write({ km: { port: await bench.otherKm("from another CA") } }),
    first: "km.main.tls",
    says: /the KM's certificate is from another CA/,
  },
  {
    what: "another KM",
    by: (bench) => bench.write({ km: { server_name: "km-2" } }),
    first: "km.main.tls",
    says: /the KM's certificate names another KM/,
  },
  {
    what: "a KM that does not trust the node's CA",
    by: async (bench) => bench.write({ km: { port: await bench.otherKm("trusts another CA") } }),
    first: "km.main.tls",
    // Its alert may be lost with the connection.
    says: /the KM refuses our certificate|closed by the KM/,
  },
  {
    what: "a TLS server that does not speak Kq-1",
    by: async (bench) => bench.write({ km: { port: await bench.server("silent-tls") } }),
    first: "km.main.kq1",
    says: /no answer/,
  },
  {
    what: "a TLS server that closes upon Kq-1",
    by: async (bench) => bench.write({ km: { port: await bench.server("closing-tls") } }),
    first: "km.main.kq1",
    says: /closed the connection without an answer/,
    status: "warn",
  },
  {
    what: "a broker that is not running",
    by: async (bench) => bench.write({ brokerPort: await bench.closedPort() }),
    first: "broker.tcp",
    says: /connection refused/,
  },
  {
    what: "something else than a broker",
    by: async (bench) => bench.write({ brokerPort: await bench.server("closing") }),
    first: "broker.mqtt",
    says: /failed|ECONNRESET/,
  },
  {
    what: "a disk that is nearly full",
    by: (bench) => bench.write({ more: "[alarms]\nstorage_free = 0.9\n" }),
    first: "disk",
    says: /\d+ % free \(\d+ MiB\)/,
    status: "warn",
  },
  {
    what: "no memory left",
    by: (bench) => bench.memory(20),
    first: "memory",
    says: /20 of 1024 MiB available/,
  },
  {
    what: "a machine that is too hot",
    by: (bench) => bench.temperature(96),
    first: "temperature",
    says: /soc 96 °C, limit 95 °C/,
  },
];

function assertFirst(
  t: ExecutionContext,
  report: Report,
  { what, first, says, status }: Broken,
): void {
  const { checks } = report;
  const found = checks.find(({ id }) => id === report.first);
  const all = checks.map((one) => `${one.status} ${one.id} ${one.detail}`).join("\n");
  t.is(report.first, first, `${what}:\n${all}`);
  t.regex(found?.detail ?? "", says, what);
  t.is(found?.status, status ?? "fail", what);
  t.true((found?.advice ?? "").length > 10, `${what}: what to do`);
  // What comes before the one that is broken is well.
  const before = checks.slice(0, checks.indexOf(found as Finding));
  t.deepEqual(
    before.filter((one) => one.status === "fail"),
    [],
    what,
  );
}

test.serial("with nothing broken nothing is, but for the node itself", async (t) => {
  const bench = await DoctorBench.open();
  const report = await bench.examine();
  t.is(report.status, "warn", JSON.stringify(report.checks));
  t.is(report.first, "node");
  const ids = report.checks.map(({ id }) => id);
  t.deepEqual(ids, [
    ...["config", "node", "state", "device.alice"],
    ...["module.alice.answers", "module.alice.identity", "module.alice.state"],
    ...["clock", "cert.km.main.own", "cert.km.main.ca"],
    ...["km.main.dns", "km.main.tcp", "km.main.tls", "km.main.kq1"],
    ...["broker.dns", "broker.tcp", "broker.mqtt", "disk", "memory", "temperature"],
  ]);
  // Neither a key, nor a session of its own, is left behind.
  t.is(bench.end.module.heldBlocks, 0);
  bench.write({ km: { transport: "https", port: await bench.otherKm("https") } });
  const https = await bench.examine();
  t.regex(
    https.checks.find(({ id }) => id === "km.main.kq1")?.detail ?? "",
    /answers \(status \d+/,
  );
  await bench.close();
});

test.serial("credentials that only the service sees are no reason to complain", async (t) => {
  const bench = await DoctorBench.open();
  bench.write({ km: { key: "/run/credentials/qkd-node-of-a-test.service/node.key" } });
  const { checks, first } = await bench.examine();
  const find = (id: string) => checks.find((check) => check.id === id);
  t.is(first, "node", JSON.stringify(checks));
  t.regex(find("config")?.detail ?? "", /credentials are the service's alone/);
  t.is(find("km.main.tls")?.status, "skip");
  t.is(find("km.main.tcp")?.status, "ok");
  await bench.close();
});

/** A short run has one for each check. */
const firsts = table.filter(
  ({ first }, i) => !isShort || table.findIndex((one) => one.first === first) === i,
);

for (const broken of firsts) {
  test.serial(`it names first: ${broken.what}`, async (t) => {
    const bench = await DoctorBench.open();
    try {
      const subject = ((await broken.by(bench)) ?? {}) as Partial<Subject>;
      assertFirst(t, await bench.examine(subject), broken);
    } finally {
      await bench.close();
    }
  });
}

test.serial("the command says it in 80 columns, and in JSON by its schema", async (t) => {
  const bench = await DoctorBench.open();
  const args = ["doctor", "--config", bench.file];
  bench.end.unplug();
  const said = await qkdNode(args);
  t.is(said.code, 1);
  t.regex(said.out, /FAIL +device of alice +there is no/);
  t.regex(said.out, /→ check power and cable of the module/);
  t.regex(said.out, /begin with: device of alice\n$/);
  t.deepEqual(tooWide(said.out.replaceAll(bench.folder, "F")), []);
  const json = await qkdNode([...args, "--json"]);
  t.is(json.code, 1);
  t.deepEqual(problemsOf("doctor", json.out), []);
  t.like(JSON.parse(json.out), { running: false, first: "device.alice", status: "fail" });
  const none = await qkdNode(["doctor", "--config", join(bench.folder, "none.toml"), "--json"]);
  t.is(none.code, 1);
  t.deepEqual(problemsOf("doctor", none.out), []);
  t.like(JSON.parse(none.out), { first: "config" });
  await bench.close();
});

test.serial("of a running node it asks the node, and disturbs nothing", async (t) => {
  await withNode({ transport: "tls", mode: "proactive" }, async (bench) => {
    const { folder, node, km, end, distil, until } = bench;
    const file = join(folder, "node.toml");
    const consult = async (): Promise<Report> => {
      const { out } = await qkdNode(["doctor", "--config", file, "--json"]);
      t.deepEqual(problemsOf("doctor", out), []);
      return JSON.parse(out);
    };
    const first = async (id: string) => {
      let report = await consult();
      // The node takes a moment to notice.
      for (let i = 0; i < 20 && report.first !== id; i++) report = await consult();
      t.is(report.first, id, JSON.stringify(report.checks));
      return report.checks.find((check) => check.id === id)?.detail ?? "";
    };
    distil(3);
    await until("keys at the KM", () => km.store.size, { is: 3 });
    const well = await consult();
    t.true(well.running);
    // Certificates of this bench last for a day.
    t.is(well.first, "cert.km.main.own");
    t.is(well.status, "warn");
    t.is(well.checks.find(({ id }) => id === "km.main")?.detail, "connected");
    distil(3);
    await until("keys at the KM", () => km.store.size, { is: 6 });
    t.is(
      node.lines.filter((line) => line.includes("module up")).length,
      1,
      "one session, undisturbed",
    );

    const port = Number(/port = (\d+)\ntransport/.exec(readFileSync(file, "utf8"))?.[1]);
    await km.stop();
    t.regex(await first("km.main.tcp"), /connection refused/);
    await km.listen({ port });
    appendFileSync(file, "# a comment\n");
    await first("config.running");
    end.rename("QKD-X-9999");
    t.regex(await first("module.alice.identity"), /another module answers/);
    end.unplug();
    t.regex(await first("device.alice"), /there is no/);
  });
});
