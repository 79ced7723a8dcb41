/** Keys that are brought to an application which listens (Q.4160 I.2): two key managers, a controller, and docs/use/proactive.md. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { ApplicationClient, heldKeys, type Reply } from "../rig/application.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { KmNet } from "../rig/km-net.ts";
import { block, recipe } from "../rig/recipe.ts";
import { deadline } from "../rig/with-rig.ts";

interface World {
  readonly folder: string;
  readonly net: KmNet;
  readonly controller: ControllerProcess;
  client(end: string): ApplicationClient;
}

interface Notice {
  readonly notice_ID: string;
  readonly notice: string;
  readonly session_ID: string;
}

async function open(t: ExecutionContext): Promise<World> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-proactive-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const authority = await createAuthority("QKDN CA");
  const tables = `[node.km-a]\n[node.km-b]\n[link.ab]\nbetween = ["km-a", "km-b"]\n`;
  const controller = await ControllerProcess.make({ folder, tables, authority });
  t.teardown(() => controller.process.stop());
  const net = await KmNet.make({
    ...{ folder, authority, kms: ["a", "b"], fibres: [["a", "b"]], far: [] },
    door: "answer_timeout_s = 1\n",
    more: () =>
      `[controller.one]\nhost = "127.0.0.1"\nport = ${controller.port}\nserver_name = "controller.example"\n`,
  });
  t.teardown(() => net.stop());
  await Promise.all([controller.start(deadline()), net.start(deadline())]);
  await net.feedAll(8);
  const stock = async () => {
    const { links } = await controller.status();
    return links.filter(({ ends }) => ends.length === 2 && ends.every(({ up }) => up)).length;
  };
  await eventually("the controller knows of the link", stock, { is: 1 });
  const client = (end: string) => {
    const one = new ApplicationClient(net.km(end) as never, net.km(end).application);
    t.teardown(() => one.close());
    return one;
  };
  return { folder, net, controller, client };
}

const noticeOf = ({ body }: Reply) => body as Notice;
const saidBy = ({ status, body }: Reply) => [
  status,
  (body as { message?: string } | undefined)?.message,
];

test.serial(
  "who listens is asked, and brought keys; what it does not take is nobody's",
  async (t) => {
    const { net, controller, client } = await open(t);
    const [a, b] = [client("a"), client("b")];

    // Nobody listens: no session, and the refusal is that of the network.
    t.deepEqual(saidBy(await a.createSession("app-b")), [
      503,
      "the network has no session for these SAEs now",
    ]);
    t.is((await a.createSession("app-x")).status, 401);
    t.is((await b.notice(0)).status, 204);
    t.is((await b.answerNotice("none", { response: "success" })).status, 404);
    t.is((await a.encKeysIn("none", "app-b")).status, 400);

    /** The refusal of before holds for two seconds. */
    const session = async (response: string) => {
      const notices: Notice[] = [];
      const created = eventually("an answer", () => a.createSession("app-b"), {
        when: ({ status }) => (status === 503 ? false : notices.length > 0),
        pauseMs: 500,
      });
      const notice = await eventually("a notice", async () => noticeOf(await b.notice(1)), {
        when: (one) => one?.notice === "session",
      });
      notices.push(notice);
      t.is((await b.answerNotice(notice.notice_ID, {})).status, 400);
      t.is((await b.answerNotice(notice.notice_ID, { response })).status, 204);
      t.is((await b.answerNotice(notice.notice_ID, { response })).status, 404);
      return created;
    };
    t.is((await session("not today")).status, 401);
    const created = await eventually("a session", () => session("success"), {
      when: ({ status }) => status === 200,
    });
    const { session_ID: id } = created.body as { session_ID: string };
    // The same, without another question.
    t.deepEqual((await a.createSession("app-b")).body, created.body);
    t.like(await controller.status(), { open_sessions: 1 });

    const supply = async (answer: (ids: readonly string[]) => readonly string[] | undefined) => {
      const heard = b.notice();
      const asked = a.encKeysIn(id, "app-b", 3);
      const notice = await heard;
      const keys = heldKeys(notice);
      t.like(notice.body, { notice: "keys", session_ID: id, master_SAE_ID: "app-a" });
      t.is(keys.length, 3);
      const said = answer(keys.map((key) => key.id));
      const key_IDs = said?.map((key_ID) => ({ key_ID }));
      const { notice_ID } = noticeOf(notice);
      const taken = key_IDs && (await b.answerNotice(notice_ID, { key_IDs }));
      return { keys, taken, reply: await asked, notice_ID };
    };
    const all = await supply((ids) => ids);
    t.deepEqual(heldKeys(all.reply), all.keys);
    t.is(all.taken?.status, 204);
    // They were taken by the notice: neither end gets one again.
    for (const [who, other] of [
      [b, "app-a"],
      [a, "app-b"],
    ] as const) {
      const ids = all.keys.map((key) => key.id);
      t.not((await who.decKeys(other, ids)).status, 200);
    }
    const some = await supply((ids) => ids.slice(1));
    t.deepEqual(saidBy(some.reply), [503, "the other SAE did not take the keys"]);
    const silent = await supply(() => undefined);
    t.deepEqual(saidBy(silent.reply), [503, "the other SAE did not take the keys in time"]);
    const late = { key_IDs: silent.keys.map(({ id: key_ID }) => ({ key_ID })) };
    t.is((await b.answerNotice(silent.notice_ID, late)).status, 404);

    // It listens no more: what was bound for it expires at once, and is not to be fetched.
    b.close();
    const again = client("b");
    const away = async () => saidBy(await a.encKeysIn(id, "app-b"));
    await eventually("it listens no more", away, {
      is: [503, "the other SAE does not listen for keys"],
    });
    const link = async () => (await net.km("b").status()).links[0];
    await eventually("expired", link, { when: (one) => (one?.unfetched_bits ?? 0) >= 256 });

    // An end, by who began it.
    const closed = await a.ask("/api/v1/sessions/app-b", undefined, { method: "DELETE" });
    t.is(closed.status, 204);
    t.is((await a.ask("/api/v1/sessions/app-b", undefined, { method: "DELETE" })).status, 404);
    t.is((await a.encKeysIn(id, "app-b")).status, 400);
    const open_sessions = async () => (await controller.status()).open_sessions;
    await eventually("the controller knows", open_sessions, { is: 0 });
    // The destination is told, though it did not listen when that happened.
    const end = noticeOf(await again.notice());
    t.like(end, { notice: "end", session_ID: id, master_SAE_ID: "app-a" });
    t.is((await again.answerNotice(end.notice_ID, { response: "success" })).status, 204);
    const counted = async (name: string) => (await net.km(name).status()).proactive;
    const figures = { sessions: 0, deliveries: { delivered: 1, refused: 1 }, keys: 3 };
    t.like((await counted("a"))?.source, figures);
    t.like((await counted("b"))?.destination, figures);
    // Keys that are asked for are as ever.
    const pulled = heldKeys(await a.encKeys("app-b"));
    t.deepEqual(heldKeys(await again.decKeys("app-a", [pulled[0]?.id ?? ""])), pulled);
  },
);

testWith("python3", "docs/use/proactive.md: both print the same two keys", async (t) => {
  const { folder, net } = await open(t);
  const url = { a: net.km("a").url, b: net.km("b").url };
  for (const end of ["a", "b"] as const) {
    const { ca, cert, key } = net.km(end).application;
    copyFileSync(cert, join(folder, `app-${end}.crt`));
    copyFileSync(key, join(folder, `app-${end}.key`));
    if (ca !== join(folder, "ca.crt")) copyFileSync(ca, join(folder, "ca.crt"));
  }
  const page = recipe("proactive", {
    "https://km-a.example:9445": url.a,
    "https://km-b.example:9445": url.b,
  });
  writeFileSync(join(folder, "proactive.py"), block(page, "python", "proactive.py"));
  const typed = (place: string) => block(page, "sh", place).trim().split(" ");
  const [program = "", ...args] = typed("b");
  const listener: ChildProcess = spawn(program, args, { cwd: folder });
  t.teardown(() => listener.kill());
  let heard = "";
  let wrong = "";
  listener.stdout?.on("data", (chunk) => {
    heard += chunk;
  });
  listener.stderr?.on("data", (chunk) => {
    wrong += chunk;
  });
  const [source = "", ...more] = typed("a");
  const run = promisify(execFile);
  const supplied = async () => (await run(source, more, { cwd: folder })).stdout;
  const printed = await eventually("keys", supplied, { pauseMs: 500, about: () => wrong });
  t.is(printed.trim().split("\n").length, 2);
  await eventually("the same at the other end", () => heard, { is: printed, about: () => wrong });
});
