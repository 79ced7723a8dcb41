/** Commands of today ask a node that was started before the software was replaced. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { LocalError, type LocalRequest, olderNode } from "../../src/ops/local/protocol.ts";
import { LocalServer } from "../../src/ops/local/server.ts";
import { qkdController, qkdKm, qkdNode, tooWide } from "../rig/cli.ts";

/** What the first version answered: no verdict, and nothing of what is kept back. */
const answers: Partial<Record<LocalRequest["do"], object>> = {
  status: {
    ...{ node: "node-a", version: "0.0.9", boot: 3, pid: 712, uptime_s: 7, rss_bytes: 1e8 },
    ...{ t: "2026-01-31T12:00:00.000Z", started: "2026-01-31T11:59:53.000Z" },
    config: { file: "/etc/qkd-node/node.toml", digest: "0".repeat(64), state_dir: "/tmp" },
    modules: [
      {
        ...{ name: "alice", state: "OPERATING", link: "ACTIVE", km: "UP", reason: "" },
        ...{ since: "2026-01-31T11:59:53.000Z", driver: "qmlp-socket", where: "here" },
        ...{ qber: 0.02, module_id: "QKD-A-0001", matching_module_id: "QKD-B-0001" },
        keys: { supplied: 5, confirmed: 5, bits: 40, in_flight: 0, withheld: 0, quarantined: 0 },
      },
    ],
    alarms: { critical: 0, major: 0, minor: 0, warning: 0 },
  },
  keys: {
    modules: [
      {
        module: "alice",
        since_start: { supplied: 5, confirmed: 5 },
        ledger: { blocks: 0, complete: 0, withheld: 0, damaged: 0, keys: {} },
      },
    ],
  },
  links: {
    modules: [
      {
        ...{ module: "alice", driver: "qmlp-socket", where: "here", up: true, reason: "" },
        kms: [{ name: "main", up: true, awaited: false, reason: "", where: "", transport: "tls" }],
      },
    ],
  },
  alarms: { alarms: [] },
};

async function olderOne(t: ExecutionContext): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-older-"));
  mkdirSync(join(folder, "state"), { mode: 0o700 });
  const file = join(folder, "node.toml");
  writeFileSync(
    file,
    `node = { id = "node-a", state_dir = ${JSON.stringify(join(folder, "state"))} }
km.main = { host = "127.0.0.1", port = 1, transport = "plain" }
[[module]]\nname = "alice"\nkm = "main"
driver = { kind = "qmlp-socket", address = "unix:${folder}/none" }\n`,
  );
  const path = join(folder, "control");
  const server = new LocalServer({
    ...{ path, act: "owner", read: "group", clock: systemClock, log: silentLog },
    answer: async ({ do: name }) => {
      const data = answers[name];
      if (data === undefined) throw new LocalError("unknown_request", "unknown request");
      return { data };
    },
  });
  await server.listen();
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return ["--socket", path, "--config", file];
}

const told = (out: string) => out.replace(/\s+/g, " ").split(olderNode).length - 1;

test("status shows what there is, and says once that the node is older", async (t) => {
  const { code, out, err } = await qkdNode(["status", ...(await olderOne(t))]);
  t.is(code, 0, err);
  t.is(err, "");
  t.is(told(out), 1);
  t.regex(out, /^node-a {2}up 7 s/);
  t.regex(out, /alice +OPERATING +ACTIVE +UP +2\.00 %/);
  t.deepEqual(tooWide(out), []);
});

test("so does the doctor, who goes on with all other checks", async (t) => {
  const where = await olderOne(t);
  const { code, out, err } = await qkdNode(["doctor", ...where]);
  t.not(code, 70, err);
  t.is(told(out), 1);
  t.regex(out, /^warn +supply +the running node is older/m);
  t.regex(out, /^ok +KM main +connected/m);
  t.regex(out, /^ok +alarms +none is raised/m);
  const json = JSON.parse((await qkdNode(["doctor", ...where, "--json"])).out);
  t.true(json.running);
  t.false(Object.hasOwn(json, "supply"));
});

test("keys are counted, and what the node cannot answer is told as that", async (t) => {
  const where = await olderOne(t);
  const keys = await qkdNode(["keys", ...where]);
  t.is(keys.code, 0, keys.err);
  t.regex(keys.out, /confirmed by the KM +5 keys/);
  const kept = await qkdNode(["kept", ...where]);
  t.is(kept.code, 76);
  t.is(kept.err, `qkd-node: it does not know this: ${olderNode}\n`);
});

test("of a key manager and a controller it is said that they are older, and not that a node is", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-older-"));
  const server = new LocalServer({
    ...{ path: join(folder, "control"), act: "owner", read: "group" },
    ...{ clock: systemClock, log: silentLog },
    answer: async () => {
      throw new LocalError("unknown_request", "unknown request");
    },
  });
  await server.listen();
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const state = `state_dir = ${JSON.stringify(folder)}`;
  const km = `km = { id = "a", ${state} }\nstore = { master_key_file = "none" }\n`;
  const ck = 'ck = { port = 1, ca = "none", cert = "none", key = "none" }';
  const controller = `controller = { id = "c", ${state} }\n${ck}\n`;
  const restart = "restart it, or update its software\n";
  const kms = await qkdKm(["status", "--config", file("km.toml", km)]);
  t.is(kms.code, 76);
  t.is(
    kms.err,
    `qkd-km: it does not know this: the running key manager is older than this qkd-km: ${restart}`,
  );
  const own = await qkdController(["status", "--config", file("controller.toml", controller)]);
  t.is(own.code, 76);
  t.is(
    own.err,
    `qkd-controller: it does not know this: the running controller is older than this qkd-controller: ${restart}`,
  );
});

test("an answer that lacks members is told as that of an older program, whichever command asks", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-older-"));
  // Little more than who it is: what a first version may have had.
  const answers: Partial<Record<LocalRequest["do"], object>> = {
    status: { km_id: "a", controller: "c", version: "0.0.1", uptime_s: 7 },
    keys: {},
    changes: [{}],
    issued: [{}],
    revocation_list: {},
  };
  const server = new LocalServer({
    ...{ path: join(folder, "control"), act: "owner", read: "group" },
    ...{ clock: systemClock, log: silentLog },
    answer: async ({ do: name }) => ({ data: answers[name] }),
  });
  await server.listen();
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const state = `state_dir = ${JSON.stringify(folder)}`;
  const km = join(folder, "km.toml");
  writeFileSync(km, `km = { id = "a", ${state} }\nstore = { master_key_file = "none" }\n`);
  const controller = join(folder, "controller.toml");
  const ck = 'ck = { port = 1, ca = "none", cert = "none", key = "none" }';
  writeFileSync(controller, `controller = { id = "c", ${state} }\n${ck}\n`);
  const time = ["--from", "2026-01-31"];
  const id = "0".repeat(32);
  const ofKm = [["status"], ["links"], ["keys"], ["alarms"], ["links", "--json"]];
  ofKm.push(["keys", "--module", "m", ...time], ["key", "show", id]);
  ofKm.push(["compromise", "--link", "l", ...time]);
  const ofController = [["status"], ["nodes"], ["links"], ["pairs"], ["routes"], ["sessions"]];
  ofController.push(["alarms"], ["changes"], ["issued"], ["revocation-list"], ["nodes", "--json"]);
  for (const [program, commands, file, called] of [
    [qkdKm, ofKm, km, "key manager"],
    [qkdController, ofController, controller, "controller"],
  ] as const) {
    for (const command of commands) {
      const { code, out, err } = await program([...command, "--config", file]);
      t.is(code, 76, `${called}: ${command.join(" ")}: ${err}`);
      t.is(out, "");
      t.true(err.includes(`: its answer lacks what is shown here: the running ${called} is older`));
    }
  }
});
