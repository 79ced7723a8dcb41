import test from "ava";
import { findCommand } from "../../../../src/node/cli/commands.ts";
import { names, understand } from "../../../../src/node/cli/console-rules.ts";

const taken: readonly (readonly [string, readonly string[]])[] = [
  ["status", ["status"]],
  ["  status   --json ", ["status", "--json"]],
  ["keys alice", ["keys", "alice"]],
  ["logs -n 20 --follow", ["logs", "-n", "20", "--follow"]],
  ["logs -n=20", ["logs", "-n=20"]],
  [
    "telemetry alice --watch --interval 500",
    ["telemetry", "alice", "--watch", "--interval", "500"],
  ],
  ["config diff", ["config", "diff"]],
  ["update status", ["update", "status"]],
  ["update install https://u.example/a", ["update", "install", "https://u.example/a"]],
];

for (const [line, args] of taken) {
  test(`the console takes: ${line}`, (t) => {
    const asks = args[1] === "install";
    t.deepEqual(understand(line), { run: { program: "qkd-node", args, asks } });
  });
}

const refused = [
  "zeroize alice",
  "stop alice",
  "clear-tamper --yes node-a",
  "release alice 0011223344556677/1",
  "alarms --ack x",
  "ledger repair alice",
  "state reset --boot 1",
  "run --config /tmp/x",
  "probe /dev/ttyUSB0",
  "console --key /etc/passwd",
  "sh",
  "status; sh",
  "status --config /etc/shadow",
  "config check --config=/etc/shadow",
  "status --socket /tmp/x",
  "keys ../../etc",
  "keys a b",
  "support-bundle /etc/x",
  "logs --unit sshd",
  "update install /var/lib/qkd-node/update.raucb",
  "update install http://u.example/a",
  "update install https://u.example/a --allow-downgrade",
  "update install https://u.example/a --yes node-a",
  "journal /var/log",
  "journal -n 1 --file /etc/shadow",
  "journal -n -1",
  "network eth0",
  "status -- x",
  "constructor",
  "__proto__",
];

for (const line of refused) {
  test(`the console does not take: ${line}`, (t) => {
    const understood = understand(line);
    t.true(typeof understood === "object" && "problem" in understood, line);
  });
}

test("journal and network are the machine's own programs, without a pager", (t) => {
  t.deepEqual(understand("journal -n 5"), {
    run: {
      program: "journalctl",
      args: ["--no-pager", "--quiet", "--boot", "--lines=5"],
      asks: false,
    },
  });
  t.like(understand("journal --follow"), { run: { program: "journalctl" } });
  t.deepEqual(understand("km doctor --json"), {
    run: { program: "qkd-km", args: ["doctor", "--json"], asks: false },
  });
  for (const line of [
    "km",
    "km run",
    "km rekey",
    "km alarms --ack=1",
    "km status json",
    "km --help",
  ]) {
    t.deepEqual(understand(line), { problem: "km: not like this; see help" }, line);
  }
  t.deepEqual(understand("controller routes --json"), {
    run: { program: "qkd-controller", args: ["routes", "--json"], asks: false },
  });
  for (const line of ["controller", "controller withdraw km km-b", "controller relay"]) {
    t.deepEqual(understand(line), { problem: "controller: not like this; see help" }, line);
  }
  t.like(understand("network"), { run: { program: "networkctl" } });
});

test("nothing, help and the end are known; help names only commands that there are", (t) => {
  t.is(understand("  "), "nothing");
  t.is(understand("help"), "help");
  t.is(understand("exit"), "exit");
  for (const [name, about] of names) {
    t.not(about, "", name);
    const own = ["journal", "km", "controller", "network", "help", "exit"].includes(name);
    t.true(own || findCommand(name) !== undefined, name);
  }
});
