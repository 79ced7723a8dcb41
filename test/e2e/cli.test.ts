import { spawn } from "node:child_process";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { testWhole } from "../needs.ts";
import { problemsOf, program, qkdNode, tooWide } from "../rig/cli.ts";
import { withNode } from "../rig/one-node.ts";

const link = { transport: "tls", mode: "proactive" } as const;

/** Commands that only look, and what must be in what they print. */
const views: readonly (readonly [readonly string[], RegExp])[] = [
  [
    ["status"],
    /warn +alice +Keys flow(, the last one \d+ s ago)?; but a certificate expires\s+soon[\s\S]*alice +OPERATING +ACTIVE +UP.* 5 +0\n/,
  ],
  [["keys"], /confirmed by the KM +5 keys, 5 120 bit/],
  [["keys", "alice"], /in the module/],
  [["kept"], /nothing is kept back/],
  [["telemetry"], /^alice/],
  [["alarms"], /certificate_expiring/],
  [["alarms", "--history"], /certificate_expiring/],
  [["events", "-n", "10"], /module_up/],
  [["links"], /module +up[\s\S]*QMLP 1[\s\S]*KM main +up/],
  [["certs"], /CN=modes CA[\s\S]*belongs to it/],
  [["config", "show"], /\[km\.main\][\s\S]*transport = "tls"/],
  [["config", "check"], /: good \(node node; alice → main\)/],
  [["config", "diff"], /says what the node runs with/],
  [["logs", "-n", "20"], /msg="module up"/],
];

test.serial("every view tells the truth in 80 columns, and in JSON by its schema", async (t) => {
  await withNode(link, async ({ folder, node, km, distil, until }) => {
    distil(5);
    await until("keys at the KM", () => km.store.size, { is: 5 });
    const where = ["--config", join(folder, "node.toml")];
    // Certificates of this bench last for a day.
    await until("the alarm", () => qkdNode(["alarms", ...where]), {
      when: ({ out }) => out.includes("certificate_expiring"),
    });
    for (const [args, expected] of views) {
      const name = args.join(" ");
      // On a machine that is busy the module may be away for a moment.
      const [shown, json] = await Promise.all([
        until(name, () => qkdNode([...args, ...where], { FORCE_COLOR: "1" }), {
          when: ({ out }) => expected.test(out),
        }),
        qkdNode([...args, ...where, "--json"]),
      ]);
      // That an alarm is raised is no reason to fail.
      t.is(shown.code, 0, `${name}: ${shown.err}`);
      t.is(shown.err, "", name);
      // A log line is as long as it is, and so is a path.
      const paths = shown.out.replaceAll(folder, "F");
      if (args[0] !== "logs") t.deepEqual(tooWide(paths), [], name);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour outside of a terminal
      t.notRegex(shown.out, /\u001b/, name);
      t.is(json.code, 0, name);
      t.deepEqual(problemsOf(args[0] as string, json.out), [], name);
    }
    const json = JSON.parse((await qkdNode(["status", ...where, "--json"])).out);
    t.is(json.pid, node.pid);
    t.like(json.modules[0], { name: "alice", module_id: "QKD-A-0001", km: "UP", kms: "main" });
    t.like(json.modules[0].keys, { supplied: 5, confirmed: 5, bits: 5_120 });

    appendFileSync(join(folder, "node.toml"), '# a comment\n[log]\nlevel = "debug"\n');
    const diff = await qkdNode(["config", "diff", ...where]);
    t.regex(diff.out, /a restart takes it:\n\+ log\.level = "debug"\n$/);

    // Over the socket alone, and who may do what by the modes of the two.
    const socket = join(folder, "state", "control");
    t.is((await qkdNode(["status", "--socket", socket])).code, 0);
    t.is((await qkdNode(["status"], { QKD_NODE_SOCKET: socket })).code, 0);
    t.is(statSync(socket).mode & 0o777, 0o600);
    t.is(statSync(`${socket}.read`).mode & 0o777, 0o660);

    const slip = await qkdNode(["keys", "alcie", ...where]);
    t.is(slip.code, 64);
    t.regex(
      slip.err,
      /no such module \(there are: alice\); did you mean alice\?\nTry: .* keys --help/,
    );
    for (const [what, names] of [
      ["modules", "alice\n"],
      ["kms", "main\n"],
    ] as const) {
      t.is((await qkdNode(["completion", what, ...where])).out, names);
    }
    const ups = () =>
      (readFileSync(join(folder, "log.txt"), "utf8").match(/module up/g) ?? []).length;
    // Once, but on a machine that is busy, where it may have been away for a moment.
    const before = ups();
    t.true(before > 0);
    const grep = await qkdNode([
      "logs",
      ...where,
      "--since",
      "1h",
      "--grep",
      "MODULE UP|module up",
    ]);
    const [title, ...found] = grep.out.trimEnd().split("\n");
    t.regex(title ?? "", /^TIME \(UTC/);
    t.true(found.length >= before && found.length <= ups(), `${found.length}, ${before} before`);
    for (const line of found) {
      t.regex(line, /^[\d-]{10} [\d:]{8}\.\d{3} {2}level=info .*msg="module up"/);
    }
    const raw = JSON.parse((await qkdNode(["logs", ...where, "-n", "1", "--json"])).out);
    t.regex(raw.lines[0], /^ts=\S+Z level=/);
    t.is((await qkdNode(["logs", ...where, "--since", "0s"])).out, "");
    t.is((await qkdNode(["logs", ...where, "--since", "never"])).code, 64);
    t.is((await qkdNode(["logs", ...where, "--grep", "("])).code, 64);
    const zoned = await qkdNode(["events", ...where], { TZ: "Asia/Kolkata" });
    t.regex(zoned.out, /^TIME \(UTC\+05:30\) +MODULE/);
    t.is(zoned.out.match(/\+05:30/g)?.length, 1);
    const bad = join(folder, "bad.toml");
    writeFileSync(bad, "[node]\n");
    const checked = await qkdNode(["config", "check", "--config", bad, "--json"]);
    t.is(checked.code, 78);
    t.deepEqual(problemsOf("config", checked.out), []);
    t.false(JSON.parse(checked.out).good);
    await node.stop("SIGKILL");
    const silent = await qkdNode(["completion", "modules", ...where]);
    t.deepEqual(silent, { code: 0, out: "", err: "" });
    const gone = await qkdNode(["status", ...where]);
    t.is(gone.code, 69);
    t.regex(gone.err, /^qkd-node: the node is not running: nobody answers on .*control\n$/);
    // No unit of this name ever logged here, if there is a journal at all.
    const logs = await qkdNode(["logs", "--unit", "qkd-node-of-a-test", ...where]);
    t.is(logs.code, 69);
    t.regex(logs.err, /the journal has nothing of the unit|there is no journalctl here/);
    for (const args of [["certs"], ["config", "show"]]) {
      const offline = await qkdNode([...args, ...where, "--json"]);
      t.is(offline.code, 0, offline.err);
      t.deepEqual(problemsOf(args[0] as string, offline.out), []);
    }
    // The socket that the killed process left is in nobody's way.
    node.start();
    await until("it answers again", () => qkdNode(["status", ...where]), {
      when: ({ code, out }) => code !== 69 && /boot 2/.test(out),
    });
  });
});

test.serial("actions reach the module, and the audit says who gave them", async (t) => {
  await withNode(link, async ({ folder, end, node, until }) => {
    const where = ["--config", join(folder, "node.toml")];
    await until("the KM is connected", () =>
      node.lines.some((line) => line.includes("KM connected")),
    );
    const stop = await qkdNode(["stop", ...where, "--json"]);
    t.is(stop.code, 0, stop.err);
    t.deepEqual(problemsOf("stop", stop.out), []);
    t.like(JSON.parse(stop.out), {
      command: "stop",
      status: "done",
      by: `local uid ${process.getuid?.()}`,
    });
    t.false(end.module.running);
    t.is((await qkdNode(["start", "alice", ...where])).out, "start alice: done\n");
    t.true(end.module.running);
    t.is((await qkdNode(["self-test", "alice", ...where])).code, 0);

    const unasked = await qkdNode(["zeroize", "alice", ...where]);
    t.is(unasked.code, 64);
    t.regex(unasked.err, /in a script: --yes node\n/);
    t.is((await qkdNode(["zeroize", "alice", "--yes", "another", ...where])).code, 64);
    const done = await qkdNode(["zeroize", "alice", "--yes", "node", ...where]);
    t.is(done.out, "zeroize alice: done\n");
    const alarms = await qkdNode(["alarms", ...where, "--json"]);
    t.deepEqual(problemsOf("alarms", alarms.out), []);
    t.regex(alarms.out, /"alarm":"zeroized.alice"/);
    for (const slip of ["zeroised.alice", "zeroized"]) {
      const near = await qkdNode(["alarms", "--ack", slip, ...where]);
      t.is(near.code, 1);
      t.regex(near.out, /there is no such alarm; did you mean zeroized\.alice\?/);
    }
    t.is(
      (await qkdNode(["completion", "alarms", ...where])).out.includes("zeroized.alice\n"),
      true,
    );
    const ack = await qkdNode(["alarms", "--ack", "zeroized.alice", ...where, "--json"]);
    t.is(ack.code, 0, ack.err);
    t.deepEqual(problemsOf("alarms", ack.out), []);
    const again = await qkdNode(["alarms", "--ack", "zeroized.alice", ...where]);
    t.is(again.code, 1);
    const history = await qkdNode(["alarms", "--history", ...where]);
    t.regex(history.out, /zeroized\.alice +cleared: local uid \d+/);
    const events = await qkdNode(["events", ...where, "--json"]);
    const commandEvents = JSON.parse(events.out).events.filter(
      (event: { type: string }) => event.type === "command",
    );
    t.deepEqual(
      commandEvents.map(({ facts }: { facts: { command: string } }) => facts.command),
      [
        "stop",
        "start",
        "self_test",
        "zeroize",
        ...Array.from({ length: 4 }, () => "acknowledge_alarm"),
      ],
    );
    t.is(commandEvents[3].facts.by, `local uid ${process.getuid?.()}`);
    // The socket that answers does not act.
    const readOnly = join(folder, "state", "control.read");
    const refused = await qkdNode(["stop", "--socket", readOnly]);
    t.is(refused.code, 77);
    t.regex(refused.err, /only answers/);
  });
});

testWhole.serial(
  "what is followed comes as it happens, and ends when nobody reads it",
  async (t) => {
    await withNode(link, async ({ folder, end, node, until }) => {
      const where = ["--config", join(folder, "node.toml")];
      await until("the KM is connected", () =>
        node.lines.some((line) => line.includes("KM connected")),
      );
      const children = ["telemetry --watch --interval 200", "events --follow", "logs --follow"].map(
        (line) => {
          const child = spawn(program, [...line.split(" "), ...where, "--json"], {
            stdio: ["ignore", "pipe", "ignore"],
          });
          const lines: string[] = [];
          child.stdout.setEncoding("utf8").on("data", (text: string) => {
            lines.push(...text.split("\n").filter((one) => one !== ""));
          });
          const closed = new Promise((resolve) => child.once("close", resolve));
          return { name: line.split(" ")[0] as string, child, lines, closed };
        },
      );
      const [telemetry, events, logs] = children;
      await until("each says something", () => children.every(({ lines }) => lines.length > 0));
      await until("three samples", () => telemetry?.lines.length ?? 0, { atLeast: 3 });
      end.unplug();
      await until("the event is followed", () => events?.lines.join("").includes("module_down"), {
        is: true,
      });
      await until("the log is followed", () => logs?.lines.join("").includes("module alice"), {
        is: true,
      });
      for (const { name, lines } of children) {
        for (const line of lines) t.deepEqual(problemsOf(name, line), []);
      }
      await node.stop();
      // The node took its leave: whoever followed it is told so by the exit code.
      t.deepEqual(await Promise.all(children.map(({ closed }) => closed)), [69, 69, 69]);
    });
  },
);
