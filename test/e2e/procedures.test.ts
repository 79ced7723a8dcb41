/**
 * The signalling procedures of ITU-T Q.4160 Appendix I between real key managers and a real controller, as they pass on
 * the wire, step by step. What is seen is printed in `docs/procedures.md`; `QKD_WRITE=1` writes it anew.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import { createAuthority } from "../emulator/certificates.ts";
import { eventually } from "../eventually.ts";
import { ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import { qkdController } from "../rig/cli.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { KmNet } from "../rig/km-net.ts";
import { chartIn, chartOf } from "../rig/sequence-chart.ts";
import { WireRecorder } from "../rig/wire-recorder.ts";
import { deadline } from "../rig/with-rig.ts";

const document = new URL("../../docs/procedures.md", import.meta.url);
const kms = ["a", "b", "c", "d"] as const;
const manual = `pool = "manual"\nbatch_bits = 8192`;

test.serial("the procedures of Q.4160 Appendix I, in order on the wire", async (t) => {
  const folder = await mkdtemp(`${tmpdir()}/qkd-procedures-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const authority = await createAuthority("QKDN CA");
  const tables = `${kms.map((km) => `[node.km-${km}]\n`).join("")}
[link.ab]
between = ["km-a", "km-b"]
[link.bc]
between = ["km-b", "km-c"]
[link.cd]
between = ["km-c", "km-d"]
[pair.bd]
between = ["km-b", "km-d"]
scheme = "case-1"
batch_bits = 8192
[routing]
settle_s = 0
hold_down_s = 0
`;
  const controller = await ControllerProcess.make({
    folder,
    tables,
    authority,
    mode: "distributed",
  });
  t.teardown(() => controller.process.stop());
  const recorder = new WireRecorder(authority);
  t.teardown(() => recorder.close());
  /** Where a KM writes down the secrets of its TLS connections. */
  const keylog = (km: string) => `${folder}/${km}.keylog`;
  const ways = new Map<string, number>();
  for (const km of kms) {
    await writeFile(keylog(km), "", { mode: 0o600 });
    const way = {
      ...{ caller: `km-${km}`, called: "controller", port: controller.port },
      serverName: "controller.example",
    };
    ways.set(km, await recorder.between(way));
  }
  const net = await KmNet.make({
    folder,
    authority,
    kms,
    fibres: [
      ["a", "b"],
      ["b", "c"],
      ["c", "d"],
    ],
    far: [
      {
        ends: ["a", "d"],
        table: (end) => (end === "a" ? `routing = "next_hop"\n${manual}` : ""),
      },
      {
        ends: ["a", "c"],
        table: (end) => (end === "a" ? `routing = "controller"\n${manual}` : ""),
      },
      {
        ends: ["b", "d"],
        table: (end) => (end === "b" ? `routing = "controller"\nscheme = "case-1"\n${manual}` : ""),
      },
    ],
    relay: () => `next_hop = true\ntransit = [["*", "*"]]`,
    // What is asked for is bound when it is asked for; of what is brought, before, as usual.
    door: (km) => `prepared_keys = ${km === "b" ? 16 : 0}`,
    kxWay: (from, to, port) => recorder.link(`km-${from}`, `km-${to}`, port, keylog(from)),
    more: (km) =>
      `[controller.one]\nhost = "127.0.0.1"\nport = ${ways.get(km)}\nserver_name = "controller.example"\n`,
  });
  t.teardown(() => net.stop());
  for (const { name, process } of net.kms) {
    process.environment = { NODE_OPTIONS: `--tls-keylog=${keylog(name)}` };
  }
  await controller.start(deadline());
  await net.start(deadline());
  await net.feedAll(12);
  const links = async () => {
    const { links: all } = await controller.status();
    const isGood = (one: (typeof all)[number]) =>
      one.ends.length === 2 && one.ends.every(({ up, stock_bits }) => up && stock_bits > 100_000);
    return all.filter(isGood).length;
  };
  await eventually("the controller knows of three links with stock", links, { is: 3 });

  const clients = new Map(
    kms.map((km) => {
      const { application } = net.km(km);
      return [km, new ApplicationClient(net.km(km) as never, application)] as const;
    }),
  );
  t.teardown(() => {
    for (const one of clients.values()) one.close();
  });
  const of = (km: (typeof kms)[number]) => clients.get(km) as ApplicationClient;
  /** Keys for two applications (Ak), with the notification between them (Ax). */
  const keysFor = async (a: (typeof kms)[number], b: (typeof kms)[number]): Promise<HeldKey[]> => {
    recorder.note(`app-${a}`, `km-${a}`, "key request");
    const keys = heldKeys(await of(a).encKeys(`app-${b}`));
    recorder.note(`km-${a}`, `app-${a}`, "response to key request");
    recorder.note(`app-${a}`, `app-${b}`, "key ID notification");
    recorder.note(`app-${b}`, `km-${b}`, "key request with ID");
    const ids = keys.map(({ id }) => id);
    const fetched = heldKeys(await of(b).decKeys(`app-${a}`, ids));
    recorder.note(`km-${b}`, `app-${b}`, "response to key request");
    t.deepEqual(fetched, keys);
    t.is(keys.length, 1);
    return keys;
  };
  /** Keys for two applications (Ak), of which the second asks for none: it listens, and is brought them. */
  const keysBrought = async (a: (typeof kms)[number], b: (typeof kms)[number]) => {
    const heard = async (what: string) => {
      const { status, body } = await of(b).notice();
      recorder.note(`km-${b}`, `app-${b}`, what);
      t.is(status, 200);
      return body as { notice_ID: string; session_ID: string; master_SAE_ID: string };
    };
    // Who has just listened is about to listen again: that it does may come later than the question of the other.
    t.is((await of(b).notice(0)).status, 204);
    const first = heard("session creation notification");
    recorder.note(`app-${a}`, `km-${a}`, "session creation request");
    const creating = of(a).createSession(`app-${b}`);
    const invitation = await first;
    const then = heard("proactive key supply");
    recorder.note(`app-${b}`, `km-${b}`, "response to session creation notification");
    const joined = of(b).answerNotice(invitation.notice_ID, { response: "success" });
    const created = await creating;
    recorder.note(`km-${a}`, `app-${a}`, "response to session creation request");
    t.is((await joined).status, 204);
    const { session_ID: session } = created.body as { session_ID: string };
    t.like(invitation, { notice: "session", session_ID: session, master_SAE_ID: `app-${a}` });
    recorder.note(`app-${a}`, `km-${a}`, "key request with session ID");
    const asked = of(a).encKeysIn(session, `app-${b}`, 2);
    const supply = await then;
    t.like(supply, { notice: "keys", session_ID: session, master_SAE_ID: `app-${a}` });
    const brought = heldKeys({ body: supply } as never);
    recorder.note(`app-${b}`, `km-${b}`, "response to proactive key supply");
    const key_IDs = brought.map(({ id: key_ID }) => ({ key_ID }));
    const told = of(b).answerNotice(supply.notice_ID, { key_IDs });
    const keys = heldKeys(await asked);
    recorder.note(`km-${a}`, `app-${a}`, "response to key request with session ID");
    t.is((await told).status, 204);
    t.deepEqual(keys, brought);
    t.is(keys.length, 2);
    // Once: they are gone.
    const ids = keys.map(({ id }) => id);
    t.is((await of(b).decKeys(`app-${a}`, ids)).status, 400);
  };
  const charts = new Map<string, string>();
  /** Relays that each key manager passed on, or took as the destination. */
  const relays = async () => {
    const counts = kms.map(async (km) => {
      const { passed, taken } = (await net.km(km).status()).relay ?? {};
      return (passed?.relays ?? 0) + (taken?.relays ?? 0);
    });
    return Promise.all(counts);
  };
  /** @param relayedBy KMs between and the destination, of each of which one relay is counted */
  const procedure = async (
    name: string,
    relayedBy: readonly (typeof kms)[number][],
    act: () => Promise<unknown>,
    steps: readonly string[],
  ) => {
    recorder.clear();
    const before = await relays();
    await act();
    const seen = () => recorder.seen.map(({ from, to, what }) => `${from} > ${to}: ${what}`);
    await eventually(`all of ${name}`, seen, {
      when: (all) => all.length >= steps.length,
      deadlineMs: 10_000,
    });
    t.deepEqual(seen(), steps, name);
    const grown = (await relays()).map((count, i) => count - (before[i] as number));
    const isOf = (km: (typeof kms)[number]) => (relayedBy.includes(km) ? 1 : 0);
    t.deepEqual(grown, kms.map(isOf), `relays of ${name}`);
    charts.set(name, chartOf(recorder.seen));
  };
  const asks = (a: string) => `app-${a} > km-${a}: key request`;
  const answered = (a: string) => `km-${a} > app-${a}: response to key request`;
  /** One KM gives keys, and the other binds them for its application (Kx). */
  const agrees = (a: string, b: string) => [
    `km-${a} > km-${b}: key supply notification`,
    `km-${b} > km-${a}: response to key supply notification`,
  ];
  /** A key goes by these, and its arrival is told back by the same way (Kx). */
  const relayed = (...way: string[]) => [
    ...way.slice(1).map((to, i) => `km-${way[i]} > km-${to}: key relay`),
    ...completed(...way),
  ];
  const completed = (...way: string[]) => {
    const back = way.toReversed();
    return back
      .slice(1)
      .map((to, i) => `km-${back[i]} > km-${to}: key relay completion notification`);
  };
  const fetches = (a: string, b: string) => [
    `app-${a} > app-${b}: key ID notification`,
    `app-${b} > km-${b}: key request with ID`,
    answered(b),
  ];

  await procedure("I.1", [], () => keysFor("a", "b"), [
    asks("a"),
    ...agrees("a", "b"),
    answered("a"),
    ...fetches("a", "b"),
  ]);
  const prepared = async () => {
    const { links: all } = await net.km("b").status();
    return all.find(({ peer }) => peer === "km-c");
  };
  await eventually("keys are prepared", prepared, { when: (link) => (link?.uses ?? 0) >= 16 });
  await procedure("I.2", [], () => keysBrought("b", "c"), [
    "app-b > km-b: session creation request",
    "km-b > controller: session creation request",
    "controller > km-c: session creation notification",
    "km-c > app-c: session creation notification",
    "app-c > km-c: response to session creation notification",
    "km-c > controller: response to session creation notification",
    "controller > km-b: response to session creation request",
    "km-b > app-b: response to session creation request",
    "app-b > km-b: key request with session ID",
    "km-b > km-c: key supply notification",
    "km-c > app-c: proactive key supply",
    "app-c > km-c: response to proactive key supply",
    "km-c > km-b: response to key supply notification",
    "km-b > app-b: response to key request with session ID",
  ]);
  // The relay alone is steps 2 to 4 of I.5a.
  const distributed = [
    "km-a > controller: key relay next hop request",
    "controller > km-a: response to key relay next hop request",
    "km-a > km-b: key relay",
    "km-b > controller: key relay next hop request",
    "controller > km-b: response to key relay next hop request",
    "km-b > km-c: key relay",
    "km-c > km-d: key relay",
    ...completed("a", "b", "c", "d"),
  ];
  await procedure("I.3 and I.5a", ["b", "c", "d"], () => keysFor("a", "d"), [
    asks("a"),
    ...distributed,
    ...agrees("a", "d"),
    answered("a"),
    ...fetches("a", "d"),
  ]);
  await procedure("I.4a and I.5b", ["b", "c"], () => keysFor("a", "c"), [
    asks("a"),
    "km-a > controller: key relay request notification",
    "controller > km-a: key relay request",
    ...relayed("a", "b", "c"),
    "km-a > controller: response to key relay request",
    ...agrees("a", "c"),
    answered("a"),
    ...fetches("a", "c"),
  ]);
  const order = () => {
    const args = ["relay", "km-b", "km-d", "8192", "--config", controller.config];
    return qkdController(args);
  };
  await procedure("I.4b", ["c", "d"], order, [
    "controller > km-b: key reservation request",
    "km-b > controller: response to key reservation request",
    "controller > km-c: key relay request",
    ...relayed("c", "d"),
    "km-c > controller: response to key relay request",
    "controller > km-b: key allocation request",
    "km-b > controller: response to key allocation request",
  ]);

  const text = await readFile(document, "utf8").catch(() => "");
  const written = [...charts].reduce((all, [name, chart]) => chartIn(all, name, chart), text);
  if (process.env.QKD_WRITE === "1") await writeFile(document, written);
  t.is(text, written, "docs/procedures.md is not what was seen: QKD_WRITE=1 writes it");
});
