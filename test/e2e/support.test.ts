import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { patience } from "../patience.ts";
import { problemsOf, qkdNode } from "../rig/cli.ts";
import { withNode } from "../rig/one-node.ts";
import { writings } from "../rig/writings.ts";

const members = [
  ...["README.txt", "versions.json", "status.json", "keys.json", "links.json", "telemetry.json"],
  ...["alarms.json", "alarm-history.json", "events.json", "certificates.json"],
  ...["running-configuration.json", "configuration.toml", "log.txt", "state-files.json"],
  ...["doctor.json", "doctor.txt", "telemetry/alice-hour.csv", "telemetry/alice-day.csv"],
];

const nothing = Buffer.from("\n");

/** Unpacks a bundle with the system's own tools, and checks its sums. @returns the folder */
function unpack(t: ExecutionContext, file: string, to: string): string {
  mkdirSync(to);
  const { status, stderr } = spawnSync("tar", ["-xzf", file, "-C", to], { encoding: "utf8" });
  t.is(status, 0, stderr);
  const [name = ""] = readdirSync(to);
  const folder = join(to, name);
  const sums = spawnSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], {
    cwd: folder,
    encoding: "utf8",
  });
  t.is(sums.status, 0, sums.stdout + sums.stderr);
  return folder;
}

test.serial("a bundle has all that helps from afar, and no secret in any writing", async (t) => {
  await withNode(
    { transport: "tls", mode: "proactive" },
    async ({ folder, km, node, distil, until }) => {
      const keys = Array.from({ length: 5 }, () => randomBytes(128));
      // The module wipes what it is given.
      for (const key of keys) distil(Buffer.from(key));
      await until("keys at the KM", () => km.store.size, { is: keys.length });
      const config = join(folder, "node.toml");
      const file = join(folder, "bundle.tar.gz");
      const said = await qkdNode(["support-bundle", file, "--config", config, "--json"]);
      t.is(said.code, 0, said.err);
      t.deepEqual(problemsOf("support-bundle", said.out), []);
      t.is(statSync(file).mode & 0o777, 0o600);
      t.is(
        (await qkdNode(["support-bundle", file, "--config", config])).code,
        73,
        "none is overwritten",
      );

      const bundle = unpack(t, file, join(folder, "unpacked"));
      const manifest = JSON.parse(readFileSync(join(bundle, "manifest.json"), "utf8"));
      t.is(manifest.node, "node");
      const listed = manifest.members.map(({ name }: { name: string }) => name);
      for (const name of members) t.true(listed.includes(name), name);
      const read = (name: string) => readFileSync(join(bundle, name), "utf8");
      for (const [name, command] of [
        ["status", "status"],
        ["keys", "keys"],
        ["kept", "kept"],
        ["links", "links"],
        ["telemetry", "telemetry"],
        ["alarms", "alarms"],
        ["events", "events"],
        ["certificates", "certs"],
        ["doctor", "doctor"],
      ] as const) {
        t.deepEqual(problemsOf(command, read(`${name}.json`)), [], name);
      }
      t.regex(read("log.txt"), /msg="module up"/);
      t.regex(read("doctor.txt"), /ok +configuration/);
      t.regex(read("configuration.toml"), /\[km\.main\]/);

      // The node dies, and somebody writes secrets where they do not belong.
      await node.stop("SIGKILL");
      const password = randomBytes(12).toString("base64url");
      writeFileSync(join(folder, "password"), `${password}\n`, { mode: 0o600 });
      const more = `[manager]\nurl = "mqtt://127.0.0.1:9"\nusername = "u"\npassword_file = "password"\n`;
      const wrong = `pasword = "${password}"\nbase = "${password}"\n`;
      appendFileSync(config, `# ${password}\n${more}`);
      const second = join(folder, "second.tar.gz");
      t.is((await qkdNode(["support-bundle", second, "--config", config])).code, 0);
      appendFileSync(config, wrong);
      const third = join(folder, "third.tar.gz");
      t.is((await qkdNode(["support-bundle", third, "--config", config])).code, 0);
      const stopped = unpack(t, second, join(folder, "stopped"));
      t.regex(
        readFileSync(join(stopped, "status.json"), "utf8"),
        /"unavailable": "the node is not running/,
      );
      t.regex(readFileSync(join(stopped, "doctor.txt"), "utf8"), /the node is not running/);

      const pem = readFileSync(join(folder, "node.key"), "utf8");
      const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
      const needles = [
        ...keys.flatMap((key) => writings(key)),
        // The middle of the key's file: what is around it is the same in every key of its kind.
        ...writings(
          Buffer.concat([der.subarray(36, 60), der.subarray(36, 60), Buffer.alloc(99)]),
        ).slice(0, 7),
        Buffer.from(pem.split("\n")[1] as string),
        Buffer.from("PRIVATE KEY"),
        Buffer.from(password),
        Buffer.from(Buffer.from(password).toString("hex")),
        Buffer.from(Buffer.from(password).toString("base64").replace(/=+$/, "")),
      ];
      const found = (one: string) => {
        const tar = gunzipSync(readFileSync(one));
        return needles.filter((needle) => tar.includes(needle));
      };
      for (const one of [file, second]) t.deepEqual(found(one).length, 0, one);
      // A configuration that is not even good: what cannot be shown without a secret stays behind.
      const bad = gunzipSync(readFileSync(third)).toString("latin1");
      t.false(bad.includes(password));
      t.true(bad.includes("withheld: it holds the secret of manager.password_file"));
      // A bundle with all of that in it, packed by the system's own tools: each is found.
      const leak = join(folder, "leak");
      mkdirSync(leak);
      writeFileSync(join(leak, "log.txt"), Buffer.concat(needles.flatMap((one) => [one, nothing])));
      const leaking = join(folder, "leak.tar.gz");
      t.is(spawnSync("tar", ["-czf", leaking, "-C", leak, "."]).status, 0);
      t.is(found(leaking).length, needles.length);
    },
  );
});

test.serial(
  "a node that waits since it crashed again and again answers, and gives a bundle",
  async (t) => {
    await withNode({ transport: "tls", mode: "proactive" }, async ({ folder, node }) => {
      await node.logged(/KM connected/, patience(30_000));
      await node.stop();
      const crashes = Array.from({ length: 12 }, () => `${uptime()}\n`).join("");
      writeFileSync(join(folder, "state", "crashes"), crashes);
      node.start();
      await node.logged(/crashed again and again: waiting/, patience(30_000));
      const config = join(folder, "node.toml");
      const status = await qkdNode(["status", "--config", config, "--json"]);
      t.deepEqual(problemsOf("status", status.out), [], status.err);
      const file = join(folder, "waiting.tar.gz");
      const bundle = await qkdNode(["support-bundle", file, "--config", config]);
      t.is(bundle.code, 0, bundle.err);
      // It stops while it waits as at any other time.
      t.is(await node.stop(), 0);
    });
  },
);
