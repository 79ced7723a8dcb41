import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { readers } from "../../../../src/bin/drivers.ts";
import { ConfigError } from "../../../../src/host/config/problems.ts";
import { parseConfig } from "../../../../src/node/config/load.ts";
import { createAuthority, type Identity } from "../../../emulator/certificates.ts";

const { check, configure } = readers;

const good = `[node]
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

function located(text: string): readonly string[] {
  try {
    parseConfig(text, "node.toml", driverKinds);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.located;
    throw error;
  }
}

/** Exchanges something in the good one. */
const put = (from: string, to: string) => good.replace(from, to);
const host = (value: string) => put('host = "km.example"', `host = ${JSON.stringify(value)}`);
const km = (line: string) => put("port = 9443", `port = 9443\n${line}`);
const more = (lines: string) => `${good}${lines}\n`;
const manager = (lines: string) => more(`[manager]\n${lines}`);
const url = (value: string) => manager(`url = ${JSON.stringify(value)}`);
const broker = 'url = "mqtts://broker.example"';
const sparkplug = (group: string) =>
  manager(`${broker}\n[manager.sparkplug]\ngroup = ${JSON.stringify(group)}`);
const name = (value: string) => more(`[web]\nnames = [${JSON.stringify(value)}]`);
const plain = km('transport = "plain"').replace(/^(ca|cert|key) = .*\n/gm, "");
const bob = (driver: string) =>
  more(`[[module]]\nname = "bob"\nkm = "main"\n[module.driver]\n${driver}`);
const long = `/${"x".repeat(110)}`;

/** What is written, and what is said: line, key, and the beginning of what is expected. */
const table: readonly (readonly [string, string])[] = [
  [host("[::1]"), ":6: km.main.host: expected a name or an address"],
  [host("https://km.example"), ":6: km.main.host: expected a name or an address"],
  [host("km.example/"), ":6: km.main.host: expected a name or an address"],
  [host("km.example:9443"), ":6: km.main.host: expected a name or an address"],
  [host("km.example "), ":6: km.main.host: expected a name or an address"],
  [host("192.0.2.300"), ":6: km.main.host: expected a name or an address"],
  [host("224.0.0.1"), ":6: km.main.host: expected a name or an address"],
  [host("0.0.0.0"), ":6: km.main.host: expected a name or an address"],
  [host(""), ":6: km.main.host: expected a name or an address"],
  [km('server_name = "*.example"'), ":8: km.main.server_name: expected a name or an address"],
  [url("mqtt://::1:1883"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtt://%zz:1883"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtts://broker.example:8883:8883"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtts://broker.example:8883#old"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtts://broker.example?a"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtts://broker.example:88830"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("mqtts://user:pass@broker.example"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [url("ws://broker.example"), ":19: manager.url: expected mqtt://HOST[:PORT]"],
  [manager(`${broker}\nbase = "$SYS"`), ":20: manager.base: expected topic levels"],
  [manager(`${broker}\nbase = "a\\u0000"`), ":20: manager.base: expected no control characters"],
  [manager(`${broker}\nusername = "a\\u0000"`), ":20: manager.username: expected no control"],
  [manager(`${broker}\nbase = "a/+"`), ":20: manager.base: expected 1 to 3 topic levels"],
  [manager('url = "mqtt://broker"\nca = "ca.crt"'), ":20: manager.ca: has no use without TLS"],
  [manager('url = "mqtt://broker"\nrequire_pq = true'), ":20: manager.require_pq: has no use"],
  [manager(`${broker}\ncrl_fresh = true`), ":20: manager.crl_fresh: needs crl"],
  [manager(`${broker}\nca = "/etc/ca\\u0000"`), ":20: manager.ca: expected the name of a file"],
  [sparkplug("a/b"), ":21: manager.sparkplug.group: expected 1 to 64 characters"],
  [sparkplug("a+b"), ":21: manager.sparkplug.group: expected 1 to 64 characters"],
  [sparkplug("a\u0007b"), ":21: manager.sparkplug.group: expected 1 to 64 characters"],
  [sparkplug(""), ":21: manager.sparkplug.group: expected 1 to 64 characters"],
  [name("https://node-a.example"), ":19: web.names[0]: expected a name or an address"],
  [name("node-a.example:8780"), ":19: web.names[0]: expected a name or an address"],
  [name("*.example"), ":19: web.names[0]: expected a name or an address"],
  [name("node a"), ":19: web.names[0]: expected a name or an address"],
  [
    more("[web]\nnames = [7]"),
    ":19: web.names[0]: expected a text, got a number: put it in quotes",
  ],
  [more('[web]\nhost = "http://127.0.0.1"'), ":19: web.host: expected a name or an address"],
  [
    more('[web]\nenabled = "true"'),
    ":19: web.enabled: expected true or false, got a text: leave out",
  ],
  [more("[web]\nport = 8780.5"), ":19: web.port: expected a whole number from 0 to 65535"],
  [
    put("port = 9443", 'port = "9443"'),
    ":7: km.main.port: expected a number, got a text: leave out",
  ],
  [put("port = 9443", "port = nan"), ":7: km.main.port: expected a number, got nan"],
  [
    put("port = 9443", "port = inf"),
    ":7: km.main.port: expected a whole number from 1 to 65535, got inf",
  ],
  [
    put("port = 9443", "port = 2026-01-01"),
    ":7: km.main.port: expected a number, got a date or time",
  ],
  [put("port = 9443", "port = [9443]"), ":7: km.main.port: expected a number, got an array"],
  [put("port = 9443", "port = { a = 1 }"), ":7: km.main.port: expected a number, got a table"],
  [put('"node-a"', "2026-01-01"), ":2: node.id: expected a text, got a date or time"],
  [put('"node-a"', "true"), ":2: node.id: expected a text, got a boolean: put it in quotes"],
  [put('"node-a"', '"constructor"'), ":2: node.id: expected another name"],
  [put("[km.main]", "[km.constructor]"), ":5: km.constructor: expected another name"],
  [`constructor = 1\n${good}`, ":1: constructor: unknown key"],
  [`__proto__ = 1\n${good}`, ":1: __proto__: unknown key"],
  [put("port = 9443", "port = 9443\ntoString = 1"), ":8: km.main.toString: unknown key"],
  [put('"/var/lib/qkd-node"', '"state"'), ":3: node.state_dir: expected an absolute path"],
  [put('"/var/lib/qkd-node"', `"${long}"`), ":3: node.state_dir: has 111 bytes"],
  [more(`[local]\nsocket = "${long}"`), ":19: local.socket: expected a path of at most 102 bytes"],
  [more('[local]\nsocket = "run/control"'), ":19: local.socket: expected an absolute path"],
  [
    more('[local]\nsocket = "/run/a"\nmaintenance = "/run/a.read"'),
    ":20: local.maintenance: is the socket of local.socket, too",
  ],
  [
    more('[local]\nsocket = "/run/a"\n[panel]\non_tamper = "stop"\nsocket = "/run/a"'),
    ":22: panel.socket: is the socket of local.socket, too",
  ],
  [
    more(`[panel]\non_tamper = "stop"\nsocket = "${long}"`),
    ":20: panel.socket: expected at most 107 bytes",
  ],
  [
    more('[server]\nport = 8780\nca = "a"\ncert = "b"\nkey = "c"'),
    ": web.port: server.port is the same",
  ],
  [host("127.0.0.1").replace("9443", "8780"), ":7: km.main.port: is the node's own page"],
  [url("mqtts://[::1]:8780"), ":19: manager.url: is the node's own page"],
  [
    put('"ca.crt"', '"file:///etc/ca.crt"'),
    ":8: km.main.ca: expected the name of a file, not a URL",
  ],
  [put('"ca.crt"', '"~/ca.crt"'), ":8: km.main.ca: expected the whole name of a file"],
  [
    put('"ca.crt"', '"-----BEGIN CERTIFICATE-----"'),
    ":8: km.main.ca: expected the name of a file, not what is in it",
  ],
  [km("crl_fresh = true"), ":8: km.main.crl_fresh: needs crl"],
  [km('path = "/keys/{id}"'), ":8: km.main.path: expected no braces but"],
  [km('path = "/keys#x"'), ":8: km.main.path: expected a path without #"],
  [
    km('transport = "tsl"'),
    ":8: km.main.transport: expected tls or https or plain, got a text; did you mean tls?",
  ],
  [
    plain.replace("port = 9443", 'port = 9443\nserver_name = "km"'),
    ":8: km.main.server_name: has no use",
  ],
  [
    bob('kind = "qmlp"\npath = "/dev/qkd-alice"'),
    ":21: module[1].driver: /dev/qkd-alice is the device of",
  ],
  [
    bob(`kind = "qmlp-socket"\naddress = "unix:${long}"`),
    ":23: module[1].driver.address: expected a path of at most 107",
  ],
  [
    bob('kind = "qmlp-socket"\naddress = "tcp:::1:7"'),
    ":23: module[1].driver.address: expected unix:/PATH",
  ],
  [
    bob('kind = "qmlp"\npath = "/dev/b"\nbaud = 300'),
    ":24: module[1].driver.baud: expected a number of at least 1200",
  ],
  [
    bob('kind = "qmlp"\npath = "/dev/b"\nbaud = 9600.5'),
    ":24: module[1].driver.baud: expected a whole number",
  ],
  [
    put('km = "main"', 'km = "main"\nmodule_id = "A"\nmatching_module_id = "A"'),
    ":16: module[0].matching_module_id: is module_id",
  ],
  [
    put('km = "main"', 'km = "mian"'),
    ":14: module[0].km: no such KM (there are: main); did you mean main?",
  ],
  [put("id = ", "id == "), ":2:5: not TOML: "],
  [put("9443", "True"), ":7:8: not TOML: invalid value; texts stand in straight quotes"],
  [put('"node-a"', "“node-a”"), ":2:6: not TOML: invalid value; texts stand in straight quotes"],
  [put("[km.main]", "[km.main"), ":5:"],
  [`${good}[node]\n`, ":18:"],
];

for (const [i, [text, says]] of table.entries()) {
  test(`told with line, key and limit (${i + 1}): ${says}`, (t) => {
    const [told = "", ...others] = located(text);
    t.true(told.startsWith(`node.toml${says}`), told);
    t.deepEqual(others, []);
  });
}

const hosts = [
  "::1",
  "192.0.2.7",
  "km.example",
  "km.example.",
  "xn--km-fka.example",
  "kmü.example",
];
const urls = ["mqtts://[::1]:8883", "mqtts://broker.example", "mqtt://192.0.2.7:1883"];
const stays = [
  ...hosts.map(host),
  ...urls.map(url),
  ...["My MQTT Group", " a ", "Werk Süd"].map(sparkplug),
  ...["knoten-zürich.example", "NODE-A", "192.0.2.7"].map(name),
  // Channels of one card have its registers in common.
  `${good.replace(/kind = "qmlp"\npath = .*\n/, 'kind = "qmlp-pcie"\npath = "/dev/xdma0"\n')}[[module]]
name = "bob"\nkm = "main"\n[module.driver]\nkind = "qmlp-pcie"\npath = "/dev/xdma0"\nchannel = 1\n`,
];
for (const [i, text] of stays.entries()) {
  test(`what is good stays good (${i + 1})`, (t) => {
    t.deepEqual(located(text), []);
  });
}

test("a name in another script is what browsers and certificates have in its place", (t) => {
  const { web } = parseConfig(name("knoten-zürich.example"), "node.toml", driverKinds);
  t.deepEqual(web.names, ["xn--knoten-zrich-klb.example"]);
  const [module] = parseConfig(host("kmü.example"), "node.toml", driverKinds).modules;
  t.is(module?.kms[0]?.host, "xn--km-yka.example");
});

/** A folder with good files, a state folder, and the configuration. */
async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "qkd-bad-"));
  const ca = await createAuthority("CA");
  const own = await ca.issue({ commonName: "node-a", usage: "client", days: 30 });
  const file = (file: string, bytes: string | Buffer) => {
    writeFileSync(join(folder, file), bytes);
    chmodSync(join(folder, file), 0o600);
    return join(folder, file);
  };
  file("ca.crt", ca.cert);
  file("node.crt", own.cert);
  file("node.key", own.key);
  const config = (text = good) =>
    file("node.toml", text.replace("/var/lib/qkd-node", `${folder}/state`));
  const told = (path: string, how = check): readonly string[] => {
    try {
      how(path);
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.located;
      throw error;
    }
  };
  return { folder, ca, own, file, config, told };
}

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
const bom = (text: string) => `\ufeff${text.replaceAll("\n", "\r\n")}`;

test("what is in certificates and keys is looked at by check-config, and a node starts all the same", async (t) => {
  const { folder, ca, own, file, config, told } = await bench();
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = config();
  t.deepEqual(told(path), []);
  const other = await ca.issue({ commonName: "node-b", usage: "client" });
  const old = await ca.issue({ commonName: "node-a", usage: "client", days: -3 });
  const cases: readonly (readonly [keyof Identity | "ca", string | Buffer, RegExp])[] = [
    ["key", "", /:10: km\.main\.key: .*node\.key is empty$/],
    ["key", own.key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"), /is encrypted, and a passphrase/],
    ["key", derOf(own.key), /node\.key is DER, not PEM: convert it \(openssl pkey/],
    ["key", other.key, /node\.key belongs to another certificate$/],
    ["key", own.cert, /holds no private key, but a certificate$/],
    ["key", own.key.replace(/M/, "!"), /holds a private key that is damaged$/],
    ["key", Buffer.from(`\ufeff${own.key}`, "utf16le"), /is UTF-16: save it as plain text$/],
    ["cert", "", /:9: km\.main\.cert: .*node\.crt is empty$/],
    ["cert", "x", /node\.crt holds no certificate in PEM$/],
    ["cert", derOf(own.cert), /node\.crt is DER, not PEM: convert it \(openssl x509/],
    ["cert", own.key, /holds no certificate, but a private key$/],
    ["cert", own.cert + own.cert.slice(0, 100), /certificate 2 in it is cut off$/],
    ["cert", ca.cert + own.cert, /node\.key belongs to certificate 2 of the file, which must be/],
    ["ca", "", /:8: km\.main\.ca: .*ca\.crt is empty$/],
    ["ca", derOf(ca.cert), /ca\.crt is DER/],
    ["ca", own.cert, /a self-signed CA that has not run out is needed$/],
  ];
  const files = { ca: "ca.crt", cert: "node.crt", key: "node.key" };
  for (const [which, bytes, says] of cases) {
    file(files[which], bytes);
    const [first = "", ...others] = told(path);
    t.regex(first, says);
    t.deepEqual(others, []);
    t.deepEqual(told(path, configure), [], "a renewed file may come while the node runs");
    file("ca.crt", ca.cert);
    file("node.crt", own.cert);
    file("node.key", own.key);
  }
  file("node.crt", old.cert);
  file("node.key", old.key);
  t.regex(told(path)[0] ?? "", /node\.crt expired on 20\d\d-/);
  file("node.crt", bom(own.cert));
  file("node.key", bom(own.key));
  file("ca.crt", bom(ca.cert));
  t.deepEqual(told(path), []);
});

test("files of passwords are taken from every editor, and told where they hold none", async (t) => {
  const { folder, file, config, told } = await bench();
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = config(
    manager('url = "mqtt://127.0.0.1"\nusername = "u"\npassword_file = "password"'),
  );
  for (const bytes of ["\ufeffcorrect-horse-battery\r\n", "x", "x\r", "pass word\nsecond"]) {
    file("password", bytes);
    t.deepEqual(told(path), [], JSON.stringify(bytes));
  }
  for (const [bytes, says] of [
    ["", /:21: manager\.password_file: the first line is empty/],
    ["\ufeff\r\n", /the first line is empty/],
    ["\nsecret", /the first line is empty/],
    [Buffer.from("\ufeffsecret", "utf16le"), /the file is UTF-16/],
    [Buffer.from([0xe4, 0xf6]), /the file is no UTF-8 text/],
    ["sec\u0000ret", /the password has control characters/],
  ] as const) {
    file("password", bytes);
    const [first = ""] = told(path, configure);
    t.regex(first, says);
    t.notRegex(first, /secret/);
  }
});

test("folders, sizes and files of another kind are told", async (t) => {
  const { folder, file, config, told } = await bench();
  t.teardown(() => rmSync(folder, { recursive: true }));
  const socket = (value: string) => config(more(`[local]\nsocket = "${value}"`));
  t.regex(told(socket(`${folder}/none/control`))[0] ?? "", /local\.socket: .*none is not there/);
  t.deepEqual(told(socket(`${folder}/control`)), []);
  t.deepEqual(told(socket("/run/qkd-node-of-a-test/control")), []);
  const spool = config(put("[module.driver]", '[module.spool]\nkey = "spool"\n[module.driver]'));
  file("spool", "x".repeat(31));
  t.regex(told(spool)[0] ?? "", /spool has 31 bytes, and must have 32/);
  rmSync(join(folder, "ca.crt"));
  mkdirSync(join(folder, "ca.crt"));
  t.regex(told(config(), configure)[0] ?? "", /ca\.crt cannot be read: it is a folder/);
  rmSync(join(folder, "ca.crt"), { recursive: true });
  file("ca.crt", "");
  file("state", "");
  t.true(told(config()).some((one) => /node\.state_dir: .*state is no folder/.test(one)));
  const utf16 = file("node.toml", Buffer.from(`\ufeff${good}`, "utf16le"));
  t.regex(told(utf16)[0] ?? "", /node\.toml: not TOML: it is UTF-16; save it as UTF-8$/);
});
