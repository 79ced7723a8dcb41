/** The door of applications without a link behind it: who is answered what, before any key is asked for. */

import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { createLog } from "../../../../src/base/log.ts";
import { ApplicationKeys } from "../../../../src/km/applications/keys.ts";
import { Mailboxes } from "../../../../src/km/applications/mailboxes.ts";
import { type Application, ApplicationTable } from "../../../../src/km/applications/table.ts";
import { Etsi014Server } from "../../../../src/km/io/etsi014-server.ts";
import { NoticeDoor } from "../../../../src/km/io/notice-door.ts";
import { ManualClock } from "../../../clock.ts";
import { Connection } from "../../../conformance/kme/http.ts";
import { type Ask, requestOf } from "../../../conformance/kme/kit.ts";
import type { Credentials, Door } from "../../../conformance/kme/target.ts";
import { type Authority, createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import { MemoryKeyStore } from "../../../rig/memory-key-store.ts";

const rate = { keysPerS: 1_000, burst: 1_000 };
const limits = { standard: 256, least: 64, most: 65_536, number: 128, saes: 0 };

function application(id: string, km: string, partners: string[] = []): Application {
  return { id, km, names: [id], partners, rate };
}

interface Opened {
  readonly ca: Authority;
  readonly server: Etsi014Server;
  readonly clock: ManualClock;
  readonly lines: string[];
  readonly mailboxes: Mailboxes;
  /** A connection of who shows a certificate with this name. */
  client(name: string): Promise<(path: string, ask?: Ask) => Promise<number>>;
  readonly door: Door;
  readonly identity: (name: string) => Promise<Credentials>;
}

async function open(t: ExecutionContext): Promise<Opened> {
  const ca = await createAuthority("applications CA");
  const own = await ca.issue({ commonName: "km-a", dns: ["km-a"], usage: "server" });
  const clock = ManualClock.ofToday();
  const saes = [
    { ...application("a", "km-a", ["b"]), names: ["a", "urn:example:a"] },
    application("a2", "km-a"),
    application("b", "km-b"),
  ];
  const table = new ApplicationTable("km-a", saes);
  const lines: string[] = [];
  const keys = new ApplicationKeys({
    me: "km-a",
    table: () => table,
    links: [],
    limits,
    outstanding: 10_000,
    pickUp: 60,
    answerTimeout: ms(1_000),
    prepared: 0,
    now: () => clock.now(),
    after: (ms, fn) => void clock.after(ms, fn),
  });
  const mailboxes = new Mailboxes({
    now: () => clock.now(),
    after: (ms, fn) => clock.after(ms, fn),
    newId: () => "n-1",
  });
  const store = new MemoryKeyStore() as never;
  const sessions = () => ({
    create: (_source: string, _destination: string, done: (answer: undefined) => void) =>
      done(undefined),
    close: () => false,
  });
  const server = new Etsi014Server({
    notices: new NoticeDoor({ mailboxes, sessions, keys, store }),
    keys,
    store,
    host: "127.0.0.1",
    port: 0,
    tls: { ...own, ca: ca.cert },
    table: () => table,
    clock,
    log: createLog((line) => lines.push(line), "info"),
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const door = { host: "127.0.0.1", port, serverName: "km-a", prefix: "", ca: ca.cert };
  const identity = (name: string) => ca.issue({ commonName: name, dns: [name], usage: "client" });
  const client: Opened["client"] = async (name) => {
    const one = await Connection.open(door, await identity(name), 20_000);
    t.teardown(() => one.close());
    return async (path, ask = {}) => {
      one.send(requestOf(door, path, ask));
      return (await one.answer(path)).status;
    };
  };
  return { ca, server, clock, lines, mailboxes, client, door, identity };
}

test("one that asks for nonsense is slowed, and another behind the same address is not", async (t) => {
  const { client, clock, lines } = await open(t);
  const [a, a2, stranger] = await Promise.all([client("a"), client("a2"), client("nobody")]);
  for (let i = 0; i < 64; i++) t.is(await a("/nonsense"), 404);
  t.regex(lines.join("\n"), /msg="request refused".* status=404 sae=a cause="no such path"/);
  let answered = false;
  const held = a("/nonsense").then((status) => {
    answered = true;
    return status;
  });
  // Neither the others of this address nor its strangers pay for it.
  t.is(await a2("/api/v1/keys/b/enc_keys"), 401);
  t.is(await stranger("/api/v1/keys/b/enc_keys"), 401);
  t.false(answered);
  await clock.advance(1_000);
  t.is(await held, 404);
});

test("strangers of one address are slowed together", async (t) => {
  const { client, clock, server } = await open(t);
  const [one, other, a] = await Promise.all([client("x"), client("y"), client("a")]);
  for (let i = 0; i < 64; i++) t.is(await one("/api/v1/keys/b/status"), 401);
  t.is(server.refused, 64);
  let answered = false;
  const held = other("/api/v1/keys/b/status").then(() => {
    answered = true;
  });
  t.is(await a("/"), 404);
  t.false(answered);
  await clock.advance(1_000);
  await held;
});

test("405 tells what the path has", async (t) => {
  const { door, identity } = await open(t);
  const one = await Connection.open(door, await identity("a"), 20_000);
  t.teardown(() => one.close());
  const tell = async (method: string, path: string) => {
    one.send(requestOf(door, `/api/v1/keys/b/${path}`, { method }));
    const { status, headers } = await one.answer(path);
    return `${status} ${headers.allow}`;
  };
  t.is(await tell("PUT", "enc_keys"), "405 GET, POST");
  t.is(await tell("DELETE", "dec_keys"), "405 GET, POST");
  t.is(await tell("POST", "status"), "405 GET");
});

test("a certificate of two applications is of neither, and one without them learns nothing", async (t) => {
  const { ca, door } = await open(t);
  for (const dns of [["a", "a2"], ["b"], []]) {
    const shown = await ca.issue({ commonName: "a", dns, usage: "client" });
    const one = await Connection.open(door, shown, 20_000);
    t.teardown(() => one.close());
    one.send(requestOf(door, "/api/v1/keys/b/status", {}));
    const { status, body, headers } = await one.answer("status");
    // The common name counts where there is no other.
    t.is(status, dns.length === 0 ? 400 : 401);
    if (status !== 401) continue;
    t.is(body.length, 0);
    t.is(headers["content-type"], undefined);
  }
});

test("an application may be named by a URI, and a common name beside it does not count", async (t) => {
  const { ca, door } = await open(t);
  for (const [uris, expected] of [
    [["urn:example:a"], 400],
    [["urn:example:b"], 401],
    [["a"], 401],
  ] as const) {
    const shown = await ca.issue({ commonName: "a", uris, usage: "client" });
    const one = await Connection.open(door, shown, 20_000);
    t.teardown(() => one.close());
    one.send(requestOf(door, "/api/v1/keys/b/status", {}));
    t.is((await one.answer("status")).status, expected, uris[0]);
  }
});

test("a body that is longer than a request can be is refused before it is read", async (t) => {
  const { client, door, identity } = await open(t);
  const a = await client("a");
  t.is(await a("/api/v1/keys/b/enc_keys", { body: " ".repeat(16_384) }), 400);
  const one = await Connection.open(door, await identity("a"), 20_000);
  t.teardown(() => one.close());
  one.send(requestOf(door, "/api/v1/keys/b/enc_keys", { body: " ".repeat(16_385) }));
  const { status, body, headers } = await one.answer("too long");
  t.is(status, 413);
  t.is(String(body), '{"message":"body over 16384 bytes"}');
  t.is(headers.connection, "close");
});

test("who listens is given a notice, answers it, and is cut off without a trace", async (t) => {
  const { client, mailboxes, door, identity, clock } = await open(t);
  const a = await client("a");
  const listener = await Connection.open(door, await identity("a"), 20_000);
  t.teardown(() => listener.close());
  const listen = async () => {
    listener.send(requestOf(door, "/api/v1/notices", {}));
    const { status, body, headers } = await listener.answer("notices");
    return [status, String(body), headers["content-length"]];
  };
  const listening = () => eventually("it listens", () => mailboxes.isListening("a"));
  const first = listen();
  await listening();
  const ends: unknown[] = [];
  mailboxes.tell("a", { session: "s-1", source: "b" }, 1_000, (end) => ends.push(end));
  const [status, body] = await first;
  const told = { notice: "session", session_ID: "s-1", master_SAE_ID: "b" };
  t.deepEqual([status, JSON.parse(String(body))], [200, { notice_ID: "n-1", ...told }]);
  t.is(await a("/api/v1/notices/n-1", { body: "{}" }), 400);
  t.is(await a("/api/v1/notices/n-2", { body: "{}" }), 404);
  t.is(await (await client("a2"))("/api/v1/notices/n-1", { body: '{"response":"success"}' }), 404);
  t.is(await a("/api/v1/notices/n-1", { body: '{"response":"success"}' }), 204);
  t.deepEqual(ends, [{ accepted: true }]);
  // Keys that are not to be had: nothing comes, and the one who brings them is told.
  const second = listen();
  await listening();
  mailboxes.tell("a", { session: "s-1", source: "b", keys: ["0"] }, 1_000, (end) => ends.push(end));
  t.deepEqual(await second, [204, "", undefined]);
  t.deepEqual(ends.at(-1), "keys");
  // One that goes away is not brought anything.
  const gone = await Connection.open(door, await identity("a"), 20_000);
  gone.send(requestOf(door, "/api/v1/notices", {}));
  await listening();
  gone.close();
  await clock.advance(5_000);
  await eventually("it is away", () => !mailboxes.isListening("a"));
});

test("sessions: without a controller there is none; paths have the methods that they have", async (t) => {
  const { client } = await open(t);
  const a = await client("a");
  // No link leads there.
  t.is(await a("/api/v1/sessions/b", { method: "POST" }), 400);
  t.is(await a("/api/v1/sessions/nobody", { method: "POST" }), 401);
  t.is(await a("/api/v1/sessions/b", { method: "DELETE" }), 404);
  t.is(await a("/api/v1/sessions/b"), 405);
  t.is(await a("/api/v1/notices", { method: "POST" }), 405);
  t.is(await a("/api/v1/notices/n-1"), 405);
  t.is(await (await client("nobody"))("/api/v1/notices"), 401);
});
