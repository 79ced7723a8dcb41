/** The key manager's configuration: what is refused, and what its table says. */
import { readFileSync } from "node:fs";
import test from "ava";
import { logSchema } from "../../../../src/host/config/values.ts";
import { ckSchema, controllerSchema } from "../../../../src/km/config/controllers.ts";
import { parseKmConfig } from "../../../../src/km/config/load.ts";
import { pairSchema, relayHoursSchema, relaySchema } from "../../../../src/km/config/relay.ts";
import {
  alarmsSchema,
  etsi014Schema,
  hsmSchema,
  kmSchema,
  kq1Schema,
  kxSchema,
  linkSchema,
  managerSchema,
  moduleSchema,
  recordsSchema,
  requestSchema,
  saeSchema,
  skipSchema,
  storeSchema,
  webSchema,
} from "../../../../src/km/config/schema.ts";
import { anyCommandKeySchema } from "../../../../src/ops/commands/key-schema.ts";
import { localSchema } from "../../../../src/ops/local/schema.ts";
import { estSchema } from "../../../../src/ops/renewal/config.ts";

const readme = readFileSync(
  new URL("../../../../src/km/config/README.md", import.meta.url),
  "utf8",
);

test("the README's table has every key, and no other", (t) => {
  const documented = [...readme.matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1]);
  const keys = (prefix: string, schema: { readonly entries: object }) =>
    Object.keys(schema.entries).map((key) => `${prefix}.${key}`);
  const expected = [
    ...keys("km", kmSchema),
    ...keys("store", storeSchema).filter((key) => !key.endsWith(".hsm")),
    ...keys("store.hsm", hsmSchema),
    ...keys("records", recordsSchema),
    ...keys("manager", managerSchema).filter((key) => !key.endsWith(".command_key")),
    ...keys("manager.command_key", anyCommandKeySchema),
    ...keys("alarms", alarmsSchema),
    ...keys("est", estSchema),
    ...keys("kq1", kq1Schema),
    ...keys("kx", kxSchema),
    ...keys("module.NAME", moduleSchema).filter((key) => !key.endsWith(".request")),
    ...keys("module.NAME.request", requestSchema),
    ...keys("link.NAME", linkSchema).filter((key) => !key.endsWith(".relay")),
    ...keys("link.NAME.relay", pairSchema).filter((key) => !key.endsWith(".hours")),
    ...keys("link.NAME.relay.hours", relayHoursSchema),
    ...keys("relay", relaySchema),
    ...keys("controller.NAME", controllerSchema),
    ...keys("ck", ckSchema),
    ...keys("etsi014", etsi014Schema),
    ...keys("skip", skipSchema),
    ...keys("sae.NAME", saeSchema),
    ...keys("web", webSchema),
    ...keys("log", logSchema),
    ...keys("local", localSchema),
  ];
  t.deepEqual(documented.sort(), expected.sort());
});

test("the README's example is a configuration, with the defaults of the table", (t) => {
  const text = /```toml\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const { km, store, kq1, links, modules, log } = parseKmConfig(text, "/etc/qkd-km/km.toml");
  t.is(km.id, "km-alice");
  t.is(kq1?.ca, "/etc/qkd-km/node-ca.crt");
  t.is(modules[0]?.name, "one");
  const defaults: Record<string, unknown> = {
    "store.limit_mb": store.limit_mb,
    "store.wipe_after_s": store.wipe_after / 1_000,
    "kq1.host": kq1?.host,
    "kq1.path": kq1?.path,
    "link.NAME.unit_bits": links[0]?.unit_bits,
    "link.NAME.match_within_s": (links[0]?.match_within ?? 0) / 1_000,
    "log.level": log.level,
  };
  for (const [key, value] of Object.entries(defaults)) {
    t.true(readme.includes(`| \`${key}\` | \`${value}\` |`), `${key} ${value}`);
  }
});

test("what does not fit together is told, all of it at once, with file, line and key", (t) => {
  const text = `[km]
id = "km-a"
state_dir = "/var/lib/qkd-km"
[store]
master_key_file = "master"
[kq1]
plain = true
https_port = 1
[module.one]
module_id = "A"
matching_module_id = "A"
link = "fibr"
[link.fibre]
peer = "km-a"
[link.other]
peer = "km-a"
`;
  const error = t.throws(() => parseKmConfig(text, "/x/km.toml"));
  const located = (error as unknown as { located: string[] }).located.join("\n");
  for (const part of [
    /^\/x\/km\.toml:12: .*module\.one\.link.*did you mean fibre/m,
    /^\/x\/km\.toml:11: .*matching_module_id/m,
    /kq1\.plain.*HTTPS is never without certificates/,
    /^\/x\/km\.toml:14: .*link\.fibre\.peer.*is this KM/m,
    /kx.*missing: links go over it/,
    /^\/x\/km\.toml:16: .*link\.other\.peer: the link fibre has it, too/m,
  ]) {
    t.regex(located, part);
  }
});

test("an application over SKIP has an identity and a key, each of it alone, and limits of [etsi014]", (t) => {
  const text = `[km]
id = "km-a"
state_dir = "/var/lib/qkd-km"
[store]
master_key_file = "master"
[skip]
port = 0
[sae.one]
skip_identity = "same"
skip_psk_file = "one.psk"
[sae.two]
skip_identity = "same"
skip_psk_file = "two.psk"
system_id = "one"
[sae.three]
skip_identity = "three"
`;
  const error = t.throws(() => parseKmConfig(text, "/x/km.toml"));
  const located = (error as unknown as { located: string[] }).located.join("\n");
  for (const part of [
    /sae\.two\.skip_identity.*one has it, too/,
    /sae\.two\.system_id.*one has it, too/,
    /sae\.three.*skip_identity and skip_psk_file go together/,
    /skip.*\[etsi014\] is missing/,
  ]) {
    t.regex(located, part);
  }
});

test("a master key is in a file or in a token, and a token has a name", (t) => {
  const parse = (store: string) =>
    parseKmConfig(
      `[km]\nid = "km-a"\nstate_dir = "/x"\n[kq1]\nplain = true\nport = 1\n${store}`,
      "/etc/km.toml",
    );
  const hsm = `[store.hsm]\nmodule = "/lib/hsm.so"\npin_file = "pin"\n`;
  const wrong = (store: string, message: RegExp) => {
    const error = t.throws(() => parse(store)) as unknown as { located: string[] };
    t.regex(error.located.join("\n"), message);
  };
  wrong("[store]\n", /store\.master_key_file.*missing.*\[store\.hsm\]/);
  wrong(
    `[store]\nmaster_key_file = "m"\n${hsm}token = "t"\n`,
    /in a file or in \[store\.hsm\], not in both/,
  );
  wrong(hsm, /store\.hsm\.token.*missing/);
  wrong('[store]\nmaster_key_file = "m"\nmaster_key_next_file = "m"\n', /next one is another file/);
  wrong(`${hsm}token = "t"\npin = "1234"\n`, /store\.hsm\.pin/);
  const { store } = parse(`${hsm}serial = "0a"\n`);
  t.like(store.hsm, { key: "km-a", pin_file: "/etc/pin", serial: "0a", answer_timeout: 20_000 });
});

const controllerText = (more = "", controller = "") => `
[km]
id = "km-a"
state_dir = "/var/lib/qkd-km"
[store]
master_key_file = "m"
[kx]
port = 1
ca = "ca.crt"
cert = "a.crt"
key = "a.key"
crl = "a.crl"
[link.b]
peer = "km-b"
[link.c]
peer = "km-c"
[controller.one]
host = "controller.example"
port = 9447
${controller}
${more}
`;

test("a controller is reached as other KMs are, or with files of its own", (t) => {
  const one = (controller: string) =>
    parseKmConfig(controllerText("", controller), "/etc/qkd/km.toml").controllers[0];
  t.deepEqual(one(""), {
    name: "one",
    host: "controller.example",
    port: 9_447,
    binding: "tcp",
    serverName: "controller.example",
    isOwn: false,
    ca: "/etc/qkd/ca.crt",
    cert: "/etc/qkd/a.crt",
    key: "/etc/qkd/a.key",
    crl: "/etc/qkd/a.crl",
  });
  const own = `binding = "grpc"\nserver_name = "ctl"\nca = "/c"\ncert = "d"\nkey = "e"`;
  t.deepEqual(one(own), {
    name: "one",
    host: "controller.example",
    port: 9_447,
    binding: "grpc",
    serverName: "ctl",
    isOwn: true,
    ca: "/c",
    cert: "/etc/qkd/d",
    key: "/etc/qkd/e",
    crl: undefined,
  });
});

test("what is wrong with controllers and routing is said", (t) => {
  const said = (more: string, controller = "") =>
    t.throws(() => parseKmConfig(controllerText(more, controller), "/km.toml"))?.message ?? "";
  t.regex(said("", `cert = "x"`), /controller\.one.*ca, cert and key go together/);
  t.regex(said("", `crl = "x"`), /controller\.one\.crl/);
  const again = `[controller.two]\nhost = "controller.example"\nport = 9447`;
  t.regex(said(again), /controller\.two\.host.*one is there, too/);
  const many = Array.from({ length: 8 }, (_, i) => `[controller.c${i}]\nhost = "c${i}"\nport = 1`);
  t.regex(said(many.join("\n")), /at most 8 controllers/);
  const far = (table: string) => `[link.c.relay]\n${table}`;
  t.regex(said(far(`routing = "next_hop"\nscheme = "destination"`)), /link\.c\.relay\.scheme/);
  const alone = (more: string) =>
    t.throws(() => {
      const text = controllerText(more).replace(/\[controller.one\]\nhost.*\nport.*\n/, "");
      parseKmConfig(text, "/km.toml");
    })?.message ?? "";
  t.regex(alone(far(`routing = "controller"`)), /link\.c\.relay\.routing.*\[controller\.NAME\]/);
  t.regex(alone("[relay]\nnext_hop = true"), /relay\.next_hop.*\[controller\.NAME\]/);
});
