import test from "ava";
import * as v from "valibot";
import { options } from "../../../../drivers/etsi014/options.ts";

const files = { ca: "/ca", cert: "/cert", key: "/key" };
const kme = { url: "https://kme:8443/x", own_sae: "sae-a", partner_sae: "sae-b", ...files };
const peer = { host: "node-b", port: 9_700, name: "node-b", ...files };
const whole = {
  lead: true,
  module_id: "a",
  matching_module_id: "b",
  role: "alice",
  kme,
  peer,
};

const problems = (changes: object) => {
  const { issues = [] } = v.safeParse(options, { ...whole, ...changes });
  return issues.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`).join("; ");
};
const withUrl = (url: string) => ({ kme: { ...kme, url } });
const withHost = (host: string, lead = true) => ({ lead, peer: { ...peer, host } });

test("what can be meant is taken", (t) => {
  t.is(problems({}), "");
  t.is(problems(withUrl("https://[::1]:8443")), "");
  t.is(problems(withUrl("https://kme.example/path/of/a/proxy/")), "");
  t.is(problems(withHost("0.0.0.0", false)), "", "a follower listens");
  const named = v.parse(options, { ...whole, peer: { ...peer, name: "kn\u00f6ten-b.example" } });
  t.is(named.peer.name, "xn--knten-b-b1a.example", "as a certificate has it");
});

for (const [what, changes, said] of [
  [
    "the whole path of the standard",
    withUrl("https://kme/api/v1/keys"),
    /kme\.url: .*before \/api\/v1\/keys/,
  ],
  ["port 0", withUrl("https://kme:0"), /kme\.url: .*PORT from 1 to 65535/],
  ["an address for listening", withUrl("https://0.0.0.0"), /kme\.url: .*for listening only/],
  ["no HTTPS", withUrl("http://kme"), /kme\.url: expected https/],
  ["an SAE ID that leads elsewhere", { kme: { ...kme, partner_sae: ".." } }, /partner_sae/],
  ["one SAE at both ends", { kme: { ...kme, own_sae: "sae-b" } }, /partner_sae: .*other end/],
  ["one module at both ends", { module_id: "b" }, /matching_module_id: .*other end/],
  ["a host with its port", withHost("node-b:9700"), /peer\.host: .*without a port/],
  ["a URL as host", withHost("http://node-b"), /peer\.host: .*not a URL/],
  ["no host", withHost(""), /peer\.host: /],
  [
    "a URL as name",
    { kme: { ...kme, server_name: "https://kme" } },
    /kme\.server_name: .*not a URL/,
  ],
  ["a pattern as name", { peer: { ...peer, name: "*.b" } }, /peer\.name: .*a pattern is none/],
  ["an ID with control characters", { module_id: "a\0b" }, /module_id: .*control characters/],
  ["an SAE ID with a line end", { kme: { ...kme, own_sae: "a\n" } }, /own_sae: .*control/],
  ["a leader without a peer", withHost("0.0.0.0"), /peer\.host: .*for listening only/],
] as const) {
  test(`${what} is refused, with a word what is wanted`, (t) => {
    t.regex(problems(changes), said);
  });
}
