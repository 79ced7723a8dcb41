import { createHmac } from "node:crypto";
import test from "ava";
import { newKeyPair, request, signJws } from "../../../../scripts/manager.d/sign.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { commandNames } from "../../../../src/node/commands/table.ts";
import { isPublicKey } from "../../../../src/ops/commands/jws.ts";
import { random } from "../../../random.ts";
import { CommandBench, type Reply } from "../../../rig/command-bench.ts";

test("a signed command is carried out once, answered, and audited", async (t) => {
  const bench = new CommandBench();
  const reply = await bench.submit(bench.sign({ id: "c1" }));
  t.like(reply, { status: "done", id: "c1", command: "start", node: "node-a", boot: 1 });
  t.deepEqual(bench.executed, ['{"name":"start"}']);
  t.like(bench.events[0], {
    type: "command",
    facts: { command: "start", id: "c1", key: "noc", status: "done", module: "alice" },
  });
  t.deepEqual(bench.saved.noc, { counter: 1, recent: [{ id: "c1", outcome: "done" }] });
});

test("each command reaches its port with its arguments", async (t) => {
  const bench = new CommandBench();
  const send = (command: string, args: Record<string, unknown>) =>
    bench.submit(bench.sign({ command, args }), command);
  await send("set_key_rate", { module: "alice", bits_per_second: 5_000 });
  await send("set_threshold", { module: "alice", name: "qber_warning", value: 0.07 });
  await send("acknowledge_alarm", { alarm: "qber_high.alice" });
  t.deepEqual(bench.executed, [
    '{"name":"key_rate","bitsPerSecond":5000}',
    "threshold alice qber_warning 0.07",
    "acknowledge qber_high.alice noc",
  ]);
  t.like(await send("acknowledge_alarm", { alarm: "none" }), {
    status: "failed",
    reason: "unknown_alarm",
  });
  t.like(await send("start", { module: "bob" }), { status: "failed", reason: "unknown_module" });
  t.like(await send("set_threshold", { module: "alice", name: "qber_warning", value: 0.7 }), {
    status: "failed",
    reason: "out_of_range",
  });
  t.like(await send("set_threshold", { module: "alice", name: "toString", value: 0.7 }), {
    status: "failed",
    reason: "unknown_threshold",
  });
});

const ofKey = { module: "alice", key_ID: "5719bdfa-e8ae-8aa1-9c77-0123456789ab" };
const optional = [
  ["release_quarantine", ofKey],
  ["discard_quarantine", ofKey],
  ["withhold", ofKey],
  ["free_km", { module: "alice", km: "main" }],
  ["accept_km", { km: "main" }],
  ["accept_module", { module: "alice", module_id: "QKD-A-0002" }],
  ["reload_certificates", {}],
  ["support_bundle", {}],
  ["install_update", { version: "1.0.0" }],
] as const;

test("a command that the node has no part for is refused as not available, and not listed", async (t) => {
  const bench = new CommandBench();
  for (const [command, args] of optional) {
    const reply = await bench.submit(bench.sign({ command, args, boot: 1 }), command);
    t.like(reply, { status: "refused", reason: "not_available", command });
    t.false(bench.desk.available.includes(command));
  }
  t.true(bench.desk.available.includes("zeroize"));
  t.is(bench.desk.available.length + optional.length, commandNames.length);
  t.deepEqual(bench.saved, {}, "no counter is used up");
});

test("a part that the node has is listed, and gets its commands; what it says comes back", async (t) => {
  const bench = new CommandBench();
  const note =
    (name: string) =>
    async (...args: unknown[]) => {
      bench.executed.push([name, ...args].join(" "));
    };
  bench.more = {
    releaseQuarantine: note("release"),
    discardQuarantine: note("discard"),
    withhold: note("withhold"),
    freeKm: note("free"),
    acceptKm: note("accept"),
    acceptModule: note("accept module"),
    reloadCertificates: async () => {
      throw new Fault("config.file", "certificates cannot be read", { for: "km.main" });
    },
    supportBundle: async () => ({ file: "/var/lib/x.tar", bytes: 5 }),
    installUpdate: async ({ version }, signed) => ({
      version: String(version),
      signed: signed ?? "",
    }),
  };
  bench.restart(2);
  t.deepEqual([...bench.desk.available].sort(), [...commandNames].sort());
  const replies = new Map<string, Reply | undefined>();
  const signed = new Map<string, string>();
  for (const [command, args] of optional) {
    const message = bench.sign({ command, args, boot: 2 });
    signed.set(command, message);
    replies.set(command, await bench.submit(message, command));
  }
  t.deepEqual(bench.executed, [
    `release alice ${ofKey.key_ID}`,
    `discard alice ${ofKey.key_ID}`,
    `withhold alice ${ofKey.key_ID}`,
    "free alice main",
    "accept main",
    "accept module alice QKD-A-0002",
  ]);
  t.like(replies.get("support_bundle"), {
    status: "done",
    facts: { file: "/var/lib/x.tar", bytes: 5 },
  });
  // Root checks the manager's signature again.
  t.like(replies.get("install_update"), {
    facts: { version: "1.0.0", signed: signed.get("install_update") },
  });
  const reload = replies.get("reload_certificates");
  t.is(reload?.status, "failed");
  t.regex(reload?.reason ?? "", /certificates cannot be read .*km\.main/);
  const stranger = { command: "free_km", args: { module: "bob", km: "main" } };
  t.like(await bench.submit(bench.sign(stranger), "free_km"), { reason: "unknown_module" });
});

interface Bad {
  readonly reason: string;
  /** Signed like this, instead of well. */
  readonly message: (bench: CommandBench) => string | Buffer;
  readonly topic?: string;
}

const hour = 3_600_000;

const bad: readonly Bad[] = [
  { reason: "unsigned", message: () => "" },
  { reason: "unsigned", message: () => JSON.stringify({ command: "start", node: "node-a" }) },
  { reason: "unsigned", message: (b) => `${b.sign()}=` },
  { reason: "unsigned", message: (b) => `${b.sign()}.x` },
  { reason: "unsigned", message: (b) => b.sign().split(".").slice(0, 2).join(".") },
  { reason: "unsigned", message: (b) => b.sign() + "A".repeat(9_000) },
  {
    reason: "unsigned",
    message: (b) => {
      const [, body] = b.sign().split(".");
      const head = Buffer.from('{"alg":"none","kid":"noc"}').toString("base64url");
      return `${head}.${body}.${"A".repeat(86)}`;
    },
  },
  {
    // The oldest trick: the public key as the secret of a MAC.
    reason: "unsigned",
    message: (b) => {
      const [, body] = b.sign().split(".");
      const head = Buffer.from('{"alg":"HS256","kid":"noc"}').toString("base64url");
      const mac = createHmac("sha256", "noc").update(`${head}.${body}`).digest("base64url");
      return `${head}.${body}.${mac}`;
    },
  },
  {
    reason: "unsigned",
    message: (b) => {
      const [, body, signature] = b.sign().split(".");
      const head = { alg: "EdDSA", kid: "noc", crit: ["b64"], b64: false };
      return `${Buffer.from(JSON.stringify(head)).toString("base64url")}.${body}.${signature}`;
    },
  },
  { reason: "unknown_key", message: (b) => b.sign({}, { id: "who", key: b.noc.key }) },
  { reason: "bad_signature", message: (b) => b.sign({}, { id: "noc", key: b.field.key }) },
  { reason: "bad_signature", message: (b) => b.sign({}, { id: "noc", key: newKeyPair().key }) },
  {
    reason: "bad_signature",
    message: (b) => {
      const [head, , signature] = b.sign().split(".");
      const [, other] = b.sign({ command: "zeroize" }).split(".");
      return `${head}.${other}.${signature}`;
    },
  },
  { reason: "malformed", message: (b) => signJws({}, b.noc) },
  { reason: "malformed", message: (b) => signJws([1, 2], b.noc) },
  {
    reason: "malformed",
    message: (b) =>
      signJws(
        { ...request({ command: "start", node: "node-a", issued: b.clock.wall() }), extra: 1 },
        b.noc,
      ),
  },
  { reason: "malformed", message: (b) => b.sign({ counter: -1 }) },
  { reason: "malformed", message: (b) => b.sign({ id: "a b" }) },
  { reason: "unknown_command", message: (b) => b.sign({ command: "reboot" }), topic: "reboot" },
  {
    reason: "unknown_command",
    message: (b) => b.sign({ command: "constructor" }),
    topic: "constructor",
  },
  { reason: "wrong_topic", message: (b) => b.sign({ command: "stop" }) },
  { reason: "wrong_node", message: (b) => b.sign({ node: "node-b" }) },
  { reason: "not_permitted", message: (b) => b.sign({}, b.field) },
  { reason: "expired", message: (b) => b.sign({ issued: b.clock.wall() - hour, lifeMs: hour }) },
  { reason: "not_yet_valid", message: (b) => b.sign({ issued: b.clock.wall() + 31_000 }) },
  { reason: "lifetime_too_long", message: (b) => b.sign({ lifeMs: 25 * hour }) },
  { reason: "bad_arguments", message: (b) => b.sign({ args: {} }) },
  { reason: "bad_arguments", message: (b) => b.sign({ args: { module: "alice", force: true } }) },
  { reason: "wrong_boot", message: (b) => b.sign({ command: "zeroize" }), topic: "zeroize" },
  {
    reason: "wrong_boot",
    message: (b) => b.sign({ command: "zeroize", boot: 2 }),
    topic: "zeroize",
  },
  { reason: "wrong_boot", message: (b) => b.sign({ boot: 2 }) },
];

bad.forEach(({ reason, message, topic }, i) => {
  test(`refused, told and not carried out: ${reason} (${i})`, async (t) => {
    const bench = new CommandBench();
    const reply = await bench.submit(message(bench), topic);
    t.like(reply, { status: "refused", reason });
    t.deepEqual(bench.executed, []);
    t.is(bench.events.length, 1);
    t.like(bench.events[0], { type: "command_refused", facts: { reason } });
    t.deepEqual(bench.saved, {}, "what is refused uses up no counter");
    const suspicious = ["unsigned", "unknown_key", "bad_signature", "not_permitted"];
    t.deepEqual(bench.intruders, suspicious.includes(reason) ? [reason] : []);
  });
});

test("a retained command is refused: it would come again at every connection", async (t) => {
  const bench = new CommandBench();
  t.like(await bench.submit(bench.sign(), "start", true), { reason: "retained" });
});

for (const [what, time] of [
  ["before this software existed", "2001-01-01"],
  ["long after this software was made", "2100-01-01"],
] as const) {
  test(`a clock ${what} refuses commands`, async (t) => {
    const bench = new CommandBench();
    bench.clock.offset = Date.parse(time);
    t.like(await bench.submit(bench.sign()), { reason: "clock_implausible" });
  });
}

test("who asks again is told what became of it, also after a restart and after its expiry", async (t) => {
  const bench = new CommandBench();
  const command = bench.sign();
  await bench.submit(command);
  t.like(await bench.submit(command), { reason: "already_executed", earlier: "done" });
  bench.restart(2);
  await bench.clock.advance(2 * hour);
  t.like(await bench.submit(command), { reason: "already_executed", earlier: "done" });
  t.is(bench.executed.length, 1);
});

test("commands overtaken by a later one of the same key are refused; other keys are their own", async (t) => {
  const bench = new CommandBench();
  const [early, late] = [bench.sign(), bench.sign()];
  await bench.submit(late);
  t.like(await bench.submit(early), { reason: "out_of_order" });
  const field = bench.sign({ command: "self_test", counter: 1 }, bench.field);
  t.like(await bench.submit(field, "self_test"), { status: "done" });
});

test("a node that dies while it carries out a command never repeats it, and says so", async (t) => {
  const bench = new CommandBench();
  const reached = Promise.withResolvers<void>();
  bench.answer = () => {
    reached.resolve();
    return new Promise(() => {});
  };
  const command = bench.sign();
  void bench.submit(command);
  await reached.promise;
  bench.answer = undefined;
  bench.restart(2);
  t.like(await bench.submit(command), { reason: "already_executed", earlier: "interrupted" });
  t.is(bench.executed.length, 1);
});

test("what can't be recorded is not carried out", async (t) => {
  const bench = new CommandBench();
  bench.diskFull = true;
  t.like(await bench.submit(bench.sign()), { reason: "state_unavailable" });
  t.deepEqual(bench.executed, []);
});

test("a command without end is given up after 30 s, and others wait in a bounded line", async (t) => {
  const bench = new CommandBench();
  bench.answer = () => new Promise(() => {});
  for (let n = 0; n < 12; n++) void bench.submit(bench.sign());
  t.is(bench.replies.filter(({ reason }) => reason === "busy").length, 4);
  await bench.clock.advance(30_000);
  t.like(
    bench.replies.find(({ status }) => status === "failed"),
    { reason: "timeout" },
  );
  await bench.clock.advance(300_000);
  await bench.desk.settled();
  const expired = bench.replies.filter(({ reason }) => reason === "expired");
  t.is(expired.length, 6, "what waited too long is not carried out any more");
  t.is(bench.executed.length, 2);
});

test("10,000 replayed, expired, forged and reordered commands: none is carried out", async (t) => {
  const bench = new CommandBench();
  const next = random(21);
  const stranger = newKeyPair();
  const old: string[] = [];
  for (let n = 0; n < 50; n++) {
    old.push(bench.sign());
    await bench.submit(old[n] as string);
  }
  t.is(bench.executed.length, 50);
  const expired = bench.sign({ lifeMs: 1_000 });
  const skipped = bench.sign();
  await bench.clock.advance(2_000);
  await bench.submit(bench.sign());
  const events = bench.events.length;
  for (let n = 0; n < 10_000; n++) {
    const kind = n % 5;
    let message: Buffer;
    if (kind === 0) message = Buffer.from(old[Math.floor(next() * 50)] as string);
    else if (kind === 1) message = Buffer.from(n % 2 ? expired : skipped);
    else if (kind === 2) message = Buffer.from(bench.sign({}, { id: "noc", key: stranger.key }));
    else if (kind === 3) message = Buffer.from(bench.sign({}, bench.field));
    else {
      message = Buffer.from(bench.sign());
      const at = Math.floor(next() * message.length);
      message[at] = (message[at] as number) ^ (1 << Math.floor(next() * 7));
    }
    await bench.submit(message);
    if (n === 5_000) bench.restart(2);
  }
  t.is(bench.executed.length, 51);
  // Twice 20 of each sort: it was started anew.
  t.true(bench.events.length - events <= 81, "refusals do not fill the outbox");
});

test("a public key is checked when the configuration is read", (t) => {
  t.true(isPublicKey(newKeyPair().publicKey));
  t.false(isPublicKey("A"));
  t.false(isPublicKey(`${"A".repeat(42)}B`), "not canonical");
  t.false(isPublicKey(""));
});
