import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { seconds } from "../../../../src/base/duration.ts";
import { ConfigError } from "../../../../src/host/config/problems.ts";
import { logSchema } from "../../../../src/host/config/values.ts";
import { loadConfig, parseConfig } from "../../../../src/node/config/load.ts";
import {
  alarmsSchema,
  kmSchema,
  ledgerSchema,
  localSchema,
  managerSchema,
  moduleAlarmsSchema,
  moduleSchema,
  nodeSchema,
  panelSchema,
  serverSchema,
  sparkplugSchema,
  spoolSchema,
  webSchema,
} from "../../../../src/node/config/schema.ts";
import { anyCommandKeySchema } from "../../../../src/ops/commands/key-schema.ts";
import { estSchema } from "../../../../src/ops/renewal/config.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { programPath } from "../../../rig/programs.ts";

const good = `
[node]
id = "node-a"
state_dir = "/var/lib/qkd-node"

[km.main]
host = "km.example"
port = 9443
ca = "ca.crt"
cert = "node.crt"
key = "node.key"

[[module]]
name = "alice"
km = "main"
[module.driver]
kind = "qmlp"
path = "/dev/qkd-alice"
`;

function problems(text: string): readonly string[] {
  try {
    parseConfig(text, "node.toml", driverKinds);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("a small configuration is filled up with defaults, times in ms", (t) => {
  const config = parseConfig(good, "/etc/qkd/node.toml", driverKinds);
  const [module] = config.modules;
  t.is(module?.qber_limit, 0.11);
  t.is(module?.mode, "proactive");
  t.is(module?.kms[0]?.window, 256);
  t.is(module?.kms[0]?.answer_timeout, seconds(10));
  t.is(module?.kms[0]?.ca, "/etc/qkd/ca.crt");
  t.is(config.log.level, "info");
  t.is(config.manager, undefined);
});

const mistakes: readonly { readonly change: [string, string]; readonly says: string }[] = [
  {
    change: ['id = "node-a"', 'id = "node/a"'],
    says: "node.toml: node.id: expected 1 to 64 characters of A-Z a-z 0-9 . _ -",
  },
  {
    change: ['id = "node-a"', "id = 7"],
    says: "node.toml: node.id: expected a text, got a number",
  },
  { change: ['id = "node-a"\n', ""], says: "node.toml: node.id: missing" },
  {
    change: ["port = 9443", "port = 94430"],
    says: "node.toml: km.main.port: expected a whole number from 1 to 65535",
  },
  {
    change: ["port = 9443", "port = 9443\nwindwo = 3"],
    says:
      "node.toml: km.main.windwo: unknown key; did you mean window? (allowed: host, port, " +
      "transport, path, connections, server_name, ca, cert, key, crl, crl_fresh, require_pq, window, hash_value, answer_timeout_s, connect_timeout_s, kq2)",
  },
  {
    change: ['ca = "ca.crt"\n', ""],
    says: 'node.toml: km.main.ca: missing; transport "tls" needs ca, cert and key',
  },
  {
    change: ['host = "km.example"', 'host = "km.example"\ntransport = "udp"'],
    says: "node.toml: km.main.transport: expected tls or https or plain, got a text",
  },
  {
    change: ["[km.main]", '[web]\nhost = "0.0.0.0"\n[km.main]'],
    says: "node.toml: web.host: beyond loopback the page needs cert, key and password_file",
  },
  {
    change: ["[km.main]", '[web]\ncert = "web.crt"\n[km.main]'],
    says: "node.toml: web: cert, key and password_file go together",
  },
  {
    change: ["[km.main]", '[web]\nmetrics_token_file = "token"\n[km.main]'],
    says: "node.toml: web.metrics_token_file: has no use without cert, key and password_file",
  },
  {
    change: ["[km.main]", "[web]\nport = -1\n[km.main]"],
    says: "node.toml: web.port: expected a whole number from 0 to 65535",
  },
  {
    change: ['km = "main"', 'km = "other"'],
    says: "node.toml: module[0].km: no such KM (there are: main)",
  },
  {
    change: ['km = "main"', 'km = "main"\nkey_bits = 100'],
    says: "node.toml: module[0].key_bits: expected a multiple of 8",
  },
  {
    change: ['km = "main"', 'km = "main"\nqber_limit = 0.9'],
    says: "node.toml: module[0].qber_limit: expected a number from 0 to 0.5",
  },
  {
    change: ['kind = "qmlp"', 'kind = "qmpl"'],
    says: "node.toml: module[0].driver.kind: no such driver (there are: qmlp-pcie, qmlp-socket, qmlp, qcrypto, etsi014)",
  },
  {
    change: ['path = "/dev/qkd-alice"', 'path = "tty0"'],
    says: "node.toml: module[0].driver.path: expected an absolute device path",
  },
  {
    change: ['path = "/dev/qkd-alice"', 'path = "/dev/x"\nbuad = 9600'],
    says:
      "node.toml: module[0].driver.buad: unknown key; did you mean baud? " +
      "(allowed: kind, path, baud, rtscts)",
  },
  { change: ["[km.main]", "[km main]"], says: "node.toml:6:5: not TOML:" },
];

for (const { change, says } of mistakes) {
  test(`a mistake is told in one line: ${says.slice(11, 70)}`, (t) => {
    const told = problems(good.replace(...change));
    t.is(told.length, 1, told.join("\n"));
    t.true(told[0]?.startsWith(says), told[0]);
  });
}

test("all that is wrong is told at once", (t) => {
  const told = problems(good.replace("9443", "0").replace("node-a", "").replace('"main"\n', "1\n"));
  t.is(told.length, 3);
});

test("two modules of one name, and a manager whose certificate has no key, are refused", (t) => {
  const twice = good + good.slice(good.indexOf("[[module]]"));
  t.deepEqual(problems(twice), ["node.toml: module[1].name: another module has this name"]);
  const manager = `${good}\n[manager]\nurl = "mqtts://broker"\ncert = "x"\npassword_file = "y"\n`;
  t.deepEqual(problems(manager), [
    "node.toml: manager: cert and key go together",
    "node.toml: manager.password_file: needs username",
  ]);
});

test("command keys and alarm thresholds are checked, and a mistake in them is told", (t) => {
  const key = `[[manager.command_key]]\nid = "noc"\npublic_key = "${"A".repeat(43)}"\n`;
  const manager = `${good}\n[manager]\nurl = "mqtts://broker"\n`;
  t.deepEqual(problems(`${manager}${key}commands = ["start", "zeroize"]\n`), []);
  t.deepEqual(problems(`${manager}${key}commands = []\nrole = 1\n`), [
    "node.toml: manager.command_key[0].commands: expected at least one command",
    "node.toml: manager.command_key[0].role: unknown key (allowed: id, public_key, commands)",
  ]);
  const two = `${key}commands = ["stop"]\n`.repeat(2);
  t.deepEqual(problems(manager + two), [
    "node.toml: manager.command_key[1].id: another key has this id",
  ]);
  const [told = ""] = problems(`${good}\n[module.alarms]\nqber_warn = 0.1\n`);
  t.regex(told, /module\[0\]\.alarms\.qber_warn: unknown key/);
  t.deepEqual(problems(`${good}\n[module.alarms]\nqber_warning = 0.6\n`), [
    "node.toml: module[0].alarms.qber_warning: expected a number from 0 to 0.5",
  ]);
});

test("what a value says is never quoted: it may be a secret in the wrong place", (t) => {
  const told = problems(good.replace("port = 9443", 'port = "hunter2"\npassword = "hunter2"'));
  t.is(told.length, 2);
  t.false(told.join().includes("hunter2"));
  t.false(problems('a = "hunter2\n').join().includes("hunter2"));
});

const command = programPath("qkd-node");

function run(...args: string[]) {
  return spawnSync(command, args, { encoding: "utf8" });
}

test("check-config and run end with the exit codes of sysexits, one line for each problem", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-config-"));
  const file = join(folder, "node.toml");
  const ca = await createAuthority("CA");
  const { cert, key } = await ca.issue({ commonName: "node-a", usage: "client" });
  writeFileSync(join(folder, "ca.crt"), ca.cert);
  writeFileSync(join(folder, "node.crt"), cert);
  writeFileSync(join(folder, "node.key"), key);
  chmodSync(join(folder, "node.key"), 0o600);
  writeFileSync(file, good);
  const fine = run("check-config", file);
  t.is(fine.status, 0, fine.stderr);
  t.regex(fine.stdout, /: good \(node node-a; alice → main\)/);

  chmodSync(join(folder, "node.key"), 0o644);
  rmSync(join(folder, "ca.crt"));
  const bad = run("run", "--config", file);
  t.is(bad.status, 78);
  const lines = bad.stderr.trim().split("\n");
  t.is(lines.length, 2);
  t.regex(lines[0] ?? "", /node\.toml:9: km\.main\.ca: .*ca\.crt cannot be read: no such file/);
  t.regex(lines[1] ?? "", /:11: km\.main\.key: others may use .*node\.key; make it mode 0600/);

  t.is(run("check-config", join(folder, "none.toml")).status, 78);
  for (const args of [[], ["nonsense"], ["run"], ["run", "--confg", "x"], ["check-config"]]) {
    const wrong = run(...args);
    t.is(wrong.status, 64, args.join(" "));
    t.is(wrong.stdout, "");
  }
  t.is(run("--help").status, 0);
  rmSync(folder, { recursive: true });
});

test("revocation lists are checked with the configuration, and told in words", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-config-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "node.toml");
  const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
  const { cert } = await ca.issue({ commonName: "km", usage: "server" });
  writeFileSync(join(folder, "ca.crt"), ca.cert);
  for (const name of ["node.crt", "node.key"]) writeFileSync(join(folder, name), "x");
  chmodSync(join(folder, "node.key"), 0o600);
  writeFileSync(file, good.replace('ca = "ca.crt"', 'ca = "ca.crt"\ncrl = "crl.pem"'));
  const told = (crl: string | Buffer): string[] => {
    writeFileSync(join(folder, "crl.pem"), crl);
    try {
      loadConfig(file, driverKinds);
      return [];
    } catch (error) {
      return [...(error as ConfigError).problems];
    }
  };
  t.deepEqual(told(await ca.revoke([cert])), []);
  t.deepEqual(told(await ca.revoke([], { days: -9 })), [], "one that has run out is enforced");
  const list = await ca.revoke([]);
  const der = Buffer.from(list.replace(/-----[^-]+-----/g, ""), "base64");
  for (const [crl, why] of [
    [list + (await other.revoke([])), /holds a list that no CA of ca has signed \(CN=other\)$/],
    [await ca.revoke([], { forged: true }), /not signed by the CA that it names \(CN=CA\)$/],
    [der, /crl\.pem is DER, not PEM: convert it with openssl crl -inform DER$/],
    ["", /crl\.pem holds no revocation list in PEM$/],
  ] as const) {
    const [first = "", ...others] = told(crl);
    t.regex(first, /^.*node\.toml: km\.main\.crl: /);
    t.regex(first, why);
    t.deepEqual(others, []);
  }
});

test("what has no use or no meaning without another key is told", (t) => {
  const plain = good
    .replace('host = "km.example"', 'host = "km.example"\ntransport = "plain"\nrequire_pq = true')
    .replace(/^(ca|cert|key) = .*\n/gm, "");
  t.deepEqual(problems(plain), [
    'node.toml: km.main: crl and require_pq have no use with transport "plain"',
  ]);
  t.deepEqual(problems(`${good}\n[manager]\nurl = "mqtts://broker"\ncrl = "x"\n`), [
    "node.toml: manager.crl: needs ca: whose lists they are",
  ]);
});

test("a configuration that is a folder or not there is told in one line", (t) => {
  for (const [file, why] of [
    [tmpdir(), "it is a folder"],
    ["/nonexistent/x", "no such file"],
  ]) {
    const error = t.throws(() => loadConfig(file as string, driverKinds), {
      instanceOf: ConfigError,
    });
    t.is(error?.message, `${file}: cannot be read: ${why}`);
  }
});

test("the table for operators names every key of the schema, and no other", (t) => {
  const readme = readFileSync(
    new URL("../../../../src/node/config/README.md", import.meta.url),
    "utf8",
  );
  const documented = [...readme.matchAll(/^\| `([\w.[\]]+)` \|/gm)].map((match) => match[1]);
  const keys = (prefix: string, schema: { readonly entries: object }) =>
    Object.keys(schema.entries).map((key) => `${prefix}.${key}`);
  const expected = [
    ...keys("node", nodeSchema),
    ...keys("log", logSchema),
    ...keys("ledger", ledgerSchema),
    ...keys("local", localSchema),
    ...keys("manager", managerSchema).filter((key) => !/\.(command_key|sparkplug)$/.test(key)),
    ...keys("manager.command_key", anyCommandKeySchema),
    ...keys("manager.sparkplug", sparkplugSchema),
    ...keys("est", estSchema),
    ...keys("server", serverSchema),
    ...keys("web", webSchema),
    ...keys("alarms", alarmsSchema),
    ...keys("panel", panelSchema),
    ...keys("module.alarms", moduleAlarmsSchema),
    ...keys("module.spool", spoolSchema),
    ...keys("km.NAME", kmSchema),
    ...keys("module", moduleSchema).filter((key) => !/^module\.(driver|alarms|spool)$/.test(key)),
    "module.driver.kind",
    ...driverKinds.flatMap(({ options }) =>
      keys("module.driver", options as unknown as { readonly entries: object }),
    ),
  ];
  // Drivers may have options of the same name.
  t.deepEqual(documented.sort(), [...new Set(expected)].sort());
});
