/** What `scripts/manager` prints for a person: words, and never JSON in JSON. */
import test from "ava";
import { readOptions, UsageError } from "../../../scripts/manager.d/options.ts";
import { alarmLine, commandLine, line, words } from "../../../scripts/manager.d/print.ts";
import { newKeyPair, request, signJws } from "../../../scripts/manager.d/sign.ts";

const at = (topic: string, payload: unknown) => line({ node: "node-a", topic, payload }) ?? "";

test("events are words", (t) => {
  t.is(
    at("event", { type: "block_empty", module: "alice", facts: { sequence: 5, qber: 0.1257 } }),
    "node-a  alice: block empty: sequence 5, qber 0.1257",
  );
  t.is(
    at("event", {
      type: "alarm_raised",
      facts: { alarm: "qber_high.alice", severity: "critical", value: 0.12, threshold: 0.11 },
    }),
    "node-a  alarm raised: qber_high.alice critical, value 0.12, limit 0.11",
  );
  t.is(
    at("event", { type: "odd", facts: { list: [1, "two"], inner: { a: 1 } } }),
    "node-a  odd: list (1 two), inner (a 1)",
  );
  t.is(at("event", { type: "bare" }), "node-a  bare");
});

test("states are words, and what is not there is nothing", (t) => {
  t.is(at("status", { status: "online", boot: 3 }), "node-a  online (boot 3)");
  t.is(
    at("module/alice/state", { module: "OPERATING", link: "ACTIVE", km: "UP", reason: "" }),
    "node-a  alice: module OPERATING, link ACTIVE, KM UP",
  );
  t.is(
    alarmLine("node-a", {
      alarm: "qber_high.alice",
      severity: "critical",
      value: 0.13309899362214864,
      threshold: 0.11,
      raised: "2026-11-28T03:04:31Z",
    }),
    "node-a  CRITICAL  qber_high.alice 0.133099 (limit 0.11)  since 2026-11-28T03:04:31Z",
  );
});

test("a controller's network and links are words", (t) => {
  const of = (topic: string, payload: object) =>
    line({ node: "c-1", controller: true, topic, payload });
  const network = {
    ...{ role: "active", verdict: { level: "attention", code: "links_bad" }, nodes: 3, links: 2 },
    ...{ nodes_attached: 2, links_bad: 1, pairs_without_route: 0 },
  };
  t.is(
    of("network", network),
    "c-1  active, attention: links_bad; 2 of 3 nodes connected, 1 of 2 links bad, 0 pairs without a route",
  );
  t.is(
    of("link/km-a--km-b/state", { state: "bad", reason: "alarm qber_high" }),
    "c-1  km-a--km-b: bad alarm qber_high",
  );
  t.is(of("link/km-a--km-b/state", { state: "good", reason: "" }), "c-1  km-a--km-b: good");
  t.is(of("status", { status: "online", boot: 3 }), "c-1  online (boot 3)");
});

test("a subject is one of three", (t) => {
  const sign = ["--key", "noc.pem", "--id", "noc"];
  const to = (...words: string[]) => {
    const options = readOptions(["send", ...words, ...sign]);
    return options !== "help" && options.task.kind === "send" ? options.task : undefined;
  };
  t.like(to("node-a", "start", "module=m"), { to: { is: "node", id: "node-a" }, command: "start" });
  t.like(to("--km", "km-a", "compromise"), { to: { is: "km", id: "km-a" }, command: "compromise" });
  t.like(to("--controller", "c-1", "withdraw", "kind=km", "id=7"), {
    to: { is: "controller", id: "c-1" },
    command: "withdraw",
    args: { kind: "km", id: "7" },
  });
  const two = ["watch", "--km", "km-a", "--controller", "c-1"];
  t.throws(() => readOptions(two), { instanceOf: UsageError, message: /one of/ });
});

test("results are words, and refusals say why", (t) => {
  const result = (payload: object) => at("cmd/stop/result", payload);
  t.is(result({ id: "1", status: "done" }), "node-a  stop: done");
  t.is(
    result({ status: "refused", reason: "unknown_key" }),
    "node-a  stop: refused, unknown_key: the configuration has no key of this id",
  );
  t.is(
    result({ id: "1", status: "refused", reason: "already_executed", earlier: "done" }),
    "node-a  stop: refused, already_executed; it was done then",
  );
  t.is(
    result({ id: "1", status: "done", facts: { file: "/var/x.tar.gz", bytes: 1_024 } }),
    "node-a  stop: done: file /var/x.tar.gz, bytes 1024",
  );
});

test("a command on its way is told with what it says of itself", (t) => {
  const { key } = newKeyPair();
  const draft = { command: "stop", node: "node-a", args: { module: "alice" }, issued: 0 };
  const jws = signJws(request(draft), { id: "noc", key });
  t.is(commandLine("node-a", "stop", jws), "node-a  command stop (module alice), signed as noc");
  t.is(commandLine("node-a", "stop", "nonsense"), "node-a  command stop, not signed");
  t.is(commandLine("node-a", "stop", ""), "node-a  command stop, not signed");
});

test("whatever a payload says, it is one line without control characters", (t) => {
  const nasty = "a\nb\u001b[31m";
  for (const text of [
    at("event", { type: nasty, facts: { [nasty]: nasty } }),
    at("cmd/stop/result", { status: nasty, reason: nasty, facts: { x: [nasty] } }),
    commandLine(nasty, nasty, Buffer.from(JSON.stringify({ kid: nasty })).toString("base64url")),
    alarmLine(nasty, { alarm: nasty, severity: nasty, detail: nasty }),
    words({ a: { b: [{ [nasty]: nasty }] } }),
  ]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
    t.notRegex(text, /[\u0000-\u001f]/);
  }
});
