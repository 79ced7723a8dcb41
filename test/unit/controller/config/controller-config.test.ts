/** The controller's configuration: what is refused, what its table says, and what the core gets of it. */
import { readFileSync } from "node:fs";
import test from "ava";
import { parseControllerConfig, schemas } from "../../../../src/controller/config/load.ts";
import { notesOn } from "../../../../src/controller/config/notes.ts";
import { defaultRules } from "../../../../src/controller/policy/network.ts";

const readme = readFileSync(
  new URL("../../../../src/controller/config/README.md", import.meta.url),
  "utf8",
);
const example = /```toml\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";

test("the README's table has every key, and no other", (t) => {
  const documented = [...readme.matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1]);
  const places = Object.keys(schemas).filter((place) => place !== "");
  const expected = places.flatMap((place) =>
    Object.keys(schemas[place]?.entries ?? {})
      .map((key) => `${place}.${key}`)
      .filter((key) => !places.includes(key)),
  );
  t.deepEqual(documented.sort(), expected.sort());
});

test("the README's example is a configuration, with the defaults of the table", (t) => {
  const config = parseControllerConfig(example, "/etc/qkd-controller/controller.toml");
  t.is(config.ck.ca, "/etc/qkd-controller/km-ca.crt");
  t.deepEqual(config.kms, [
    { km: "km-alice", names: ["km-alice"] },
    { km: "km-bob", names: ["km-bob"] },
  ]);
  t.deepEqual(config.policy.rules, defaultRules);
  t.like(config.policy.links[0], { a: "km-alice", b: "km-bob", length: 42 });
  const defaults: Record<string, unknown> = {
    "controller.mode": config.controller.mode,
    "ck.port": config.ck.port,
    "alarms.km_away_s": config.alarms.km_away / 1_000,
    "routing.hold_down_s": config.routing.hold_down / 1_000,
    "routing.enough_bits": config.routing.enough_bits,
    "routing.transit": config.routing.transit,
    "sessions.longest_s": config.sessions.longest / 1_000,
    "accounting.periods": config.accounting.periods,
    "access.open_to_kms": config.access.open_to_kms,
  };
  for (const [key, value] of Object.entries(defaults)) {
    t.true(readme.includes(`| \`${key}\` | \`${value}\` |`), `${key} ${value}`);
  }
});

test("what does not fit together is told, all of it at once, with file, line and key", (t) => {
  const text = `${example}
[node.carol]
km = "km-bob"
x = 0.5
[link.other]
between = ["alice", "bobb"]
standby_for = ["other"]
[pair.ab]
between = ["alice", "bob"]
fill = "fixed_rate"
class = "gold"
[database]
host = "db.example"
[web]
host = "0.0.0.0"
`;
  const error = t.throws(() => parseControllerConfig(text, "/x/c.toml"));
  const located = (error as unknown as { located: string[] }).located.join("\n");
  for (const part of [
    /^\/x\/c\.toml:\d+: node\.carol\.km: the node bob has it, too/m,
    /node\.carol: x and y go together/,
    /node\.carol\.names: bob has the name km-bob, too/,
    /link\.other\.between: no such node: bobb.*did you mean bob/,
    /link\.other\.standby_for: is the link itself/,
    /pair\.ab\.rate_bits_per_s: goes together with fill = "fixed_rate"/,
    /pair\.ab\.class: no such class: gold/,
    /database\.ca: missing/,
    /web\.host/,
  ]) {
    t.regex(located, part);
  }
});

test("a network is the core's policy: pairs and routes by KM IDs, hours by minutes", (t) => {
  const text = `${example}
[node.carol]
[class.day]
weight = 2
guaranteed_bits_per_s = 100
[[class.day.hours]]
from = "09:00"
until = "21:00"
days = ["monday"]
[link.spare]
between = ["carol", "bob"]
standby_for = ["fibre"]
[pair.ac]
between = ["carol", "alice"]
class = "day"
routes = [["bob"]]
fill = "adaptive"
[application.app]
node = "alice"
with = ["other"]
`;
  const { policy } = parseControllerConfig(text, "/x/c.toml");
  t.like(policy.links[1], { a: "carol", b: "km-bob", standbyFor: ["km-alice--km-bob"] });
  t.like(policy.pairs[0], {
    a: "carol",
    b: "km-alice",
    class: "day",
    routes: [["carol", "km-bob", "km-alice"]],
    fill: { kind: "adaptive", low: 2_097_152 },
  });
  t.like(policy.classes[0], { weight: 2, hours: [{ from: 540, until: 1_260, days: [1] }] });
  t.deepEqual(policy.access.applications, [{ id: "app", km: "km-alice", peers: ["other"] }]);
});

test("a silence of less than two reports is taken as two and told: a file of before starts a controller", (t) => {
  const silent = (s: number) => {
    const text = `${example.replace(/^\[routing\][^[]*/m, "")}\n[routing]\nsilent_s = ${s}\n`;
    const config = parseControllerConfig(text, "c.toml");
    return { ms: config.policy.rules.silentMs, notes: notesOn(config) };
  };
  const note =
    "routing.silent_s = 5 is taken as 10: key managers report every 5 s, and one report may be late";
  t.deepEqual(silent(5), { ms: 10_000, notes: [note] });
  t.is(silent(9.9).ms, 10_000);
  t.deepEqual(silent(10), { ms: 10_000, notes: [] });
  t.throws(() => silent(4.9), { message: /routing\.silent_s.*expected a number from 5 to 3600/ });
});
