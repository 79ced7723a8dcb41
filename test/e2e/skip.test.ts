import { spawn } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { ExecutionContext } from "ava";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { testWhole, testWholeWith } from "../needs.ts";
import { ApplicationClient, type HeldKey, heldKeys } from "../rig/application.ts";
import type { KmOfPair, KmPair, PairApplication } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { SkipClient, type SkipClientOptions, type SkipReply } from "../rig/skip-client.ts";

interface World {
  readonly kms: KmPair;
  readonly a: SkipClient;
  readonly b: SkipClient;
  /** Of the second applications. */
  readonly a2: SkipClient;
  readonly b2: SkipClient;
  /** Over ETSI GS QKD 014, as the same application. */
  readonly etsiB: ApplicationClient;
}

function clientOf(
  t: ExecutionContext,
  { skip }: KmOfPair,
  { saeId: identity, pskFile }: PairApplication,
  more: Partial<SkipClientOptions> = {},
): SkipClient {
  const client = new SkipClient({ ...skip, identity, pskFile, ...more });
  t.teardown(() => client.close());
  return client;
}

const blocks = 20;

async function world(t: ExecutionContext): Promise<World> {
  const rig = await Rig.start({
    source: seedSource({ seed: 23, blockBits: 8_192, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  const { alice, bob } = kms;
  const [a, a2] = alice.applications.map((one) => clientOf(t, alice, one));
  const [b, b2] = bob.applications.map((one) => clientOf(t, bob, one));
  const etsiB = new ApplicationClient(bob, bob.applications[0] as PairApplication);
  t.teardown(() => etsiB.close());
  const stock = async () => {
    const { stored_key_count: keys } = (await etsiB.status("app-a")).body as {
      stored_key_count: number;
    };
    return keys;
  };
  await rig.until("keys are in stock", stock, { atLeast: (blocks * 32) / 2 - 1 });
  return { kms, a, a2, b, b2, etsiB } as World;
}

/** A key by its ID and a digest: a failed test prints no key. */
function held({ status, body }: SkipReply) {
  const { keyId, key = "" } = body as { keyId?: string; key?: string };
  const bytes = Buffer.from(key, "hex");
  return { status, id: keyId, digest: hash("sha256", bytes, "hex"), bits: bytes.length * 8 };
}

/** A key for two of one end is the same over either door, whoever fetches first. */
async function eitherDoor(t: ExecutionContext, { kms, b2, etsiB }: World): Promise<void> {
  const etsiA = new ApplicationClient(kms.alice, kms.alice.applications[0] as PairApplication);
  t.teardown(() => etsiA.close());
  const asked = { additional_slave_SAE_IDs: ["app-b2"] };
  const [given] = heldKeys(await etsiA.ask("/api/v1/keys/app-b/enc_keys", asked));
  const id = given?.id.replaceAll("-", "") ?? "";
  const first = held(await b2.ask(`/key/${id}?remoteSystemID=app-a`));
  t.deepEqual({ digest: first.digest, bits: first.bits }, { digest: given?.digest, bits: 256 });
  t.deepEqual(heldKeys(await etsiB.decKeys("app-a", [given?.id ?? ""])), [given as HeldKey]);
}

test.serial(
  "two encryptors get the same key over SKIP, once, and nobody else gets it; over either door, whoever fetches first",
  async (t) => {
    const one = await world(t);
    const { kms, a, a2, b, b2, etsiB } = one;
    await eitherDoor(t, one);
    const capabilities = await a.ask("/capabilities");
    t.is(capabilities.status, 200);
    t.deepEqual(capabilities.body, {
      entropy: true,
      key: true,
      algorithm: "QKD",
      localSystemID: "app-a",
      remoteSystemID: ["app-b", "app-b2"],
    });

    const given = held(await a.ask("/key?remoteSystemID=app-b"));
    t.is(given.status, 200);
    t.is(given.bits, 256);
    t.regex(given.id ?? "", /^[0-9a-f]{32}$/);
    // Neither another application of that end, nor one of this end, nor for another pair.
    for (const [client, path] of [
      [b2, `/key/${given.id}?remoteSystemID=app-a`],
      [b, `/key/${given.id}?remoteSystemID=app-a2`],
      [a2, `/key/${given.id}?remoteSystemID=app-b`],
      [a, `/key/${given.id}?remoteSystemID=app-b`],
      [b, `/key/${"0".repeat(32)}?remoteSystemID=app-a`],
    ] as const) {
      const { status, body } = await client.ask(path);
      t.deepEqual({ status, body }, { status: 400, body: { message: "keyId is not known" } }, path);
    }
    t.deepEqual(held(await b.ask(`/key/${given.id?.toUpperCase()}?remoteSystemID=app-a`)), given);
    t.is((await b.ask(`/key/${given.id}?remoteSystemID=app-a`)).status, 400);

    const long = held(await a.ask("/key?remoteSystemID=app-b&size=1024"));
    t.is(long.bits, 1_024);
    // One key, two doors: fetched over ETSI GS QKD 014.
    const uuid = (long.id ?? "").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const [same] = heldKeys(await etsiB.decKeys("app-a", [uuid]));
    t.deepEqual({ digest: same?.digest, bits: same?.bits }, { digest: long.digest, bits: 1_024 });

    const first = await a.ask("/entropy?minentropy=512");
    const second = await a.ask("/entropy?minentropy=512");
    t.regex(first.body.randomStr as string, /^[0-9a-f]{128}$/);
    t.is(first.body.minentropy, 512);
    t.not(first.body.randomStr, second.body.randomStr);

    for (const [path, method, status] of [
      ["/key?remoteSystemID=app-a2", "GET", 400],
      ["/key?remoteSystemID=unheard", "GET", 400],
      ["/key", "GET", 400],
      ["/api/v1/keys/app-b/enc_keys", "GET", 404],
      ["/key?remoteSystemID=app-b", "POST", 405],
      ["/capabilities", "DELETE", 405],
    ] as const) {
      const reply = await a.ask(path, { method });
      t.is(reply.status, status, path);
      if (status === 405) t.is(reply.headers.allow, "GET");
    }
    // More than there is.
    const short = await a.ask("/key?remoteSystemID=app-b&size=1048576");
    t.is(short.status, 503);
    t.is(short.headers["retry-after"], "1");

    await suites(t, kms);
  },
);

testWholeWith(
  "openssl",
  "openssl s_client is a client, and is given nothing to resume",
  async (t, openssl) => {
    const { kms } = await world(t);
    const [app] = kms.alice.applications as [PairApplication];
    const { host, port } = kms.alice.skip;
    const psk = readFileSync(app.pskFile, "utf8").trim();
    const ask = async (...more: string[]) => {
      const at = ["s_client", "-connect", `${host}:${port}`, "-ign_eof"];
      const child = spawn(openssl, [...at, "-psk_identity", app.saeId, "-psk", psk, ...more]);
      let said = "";
      child.stdout.on("data", (text: Buffer) => {
        said += text.toString();
      });
      child.stderr.resume();
      child.stdin.end("GET /capabilities HTTP/1.1\r\nhost: km\r\nconnection: close\r\n\r\n");
      await once(child, "close");
      return said;
    };
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const session = `${app.pskFile}${version}`;
      t.regex(await ask(version, "-sess_out", session), /"localSystemID":"app-a"/);
      const again = await ask(version, "-sess_in", session);
      t.regex(again, /"localSystemID":"app-a"/);
    }
  },
);

/** Each suite gives a key; without the right key there is no connection, whatever the identity. */
async function suites(t: ExecutionContext, { alice, bob }: KmPair): Promise<void> {
  const [app, other] = alice.applications as [PairApplication, PairApplication];
  for (const ciphers of [
    "PSK-AES256-GCM-SHA384",
    "DHE-PSK-AES256-GCM-SHA384",
    "DHE-PSK-AES256-CBC-SHA384",
  ]) {
    const client = clientOf(t, alice, app, { tls: "TLSv1.2", ciphers });
    t.is((await client.ask("/capabilities")).status, 200, ciphers);
  }
  for (const tls of ["TLSv1.2", "TLSv1.3"] as const) {
    const ask = (identity: string) => {
      const client = clientOf(t, alice, { ...app, pskFile: other.pskFile }, { identity, tls });
      return t.throwsAsync(client.ask("/capabilities"));
    };
    const alertOf = (error: Error | undefined) =>
      /SSL alert number \d+/.exec(error?.message ?? "")?.[0];
    const wrongKey = alertOf(await ask("app-a"));
    t.is(
      alertOf(await ask("unheard")),
      wrongKey,
      "an identity that does not exist looks no different",
    );
    t.is(alertOf(await ask("app-b")), wrongKey, "nor one of the other KM");
    t.truthy(wrongKey);
  }
  // A new key counts from SIGHUP on, and cuts off who came with the one before.
  const [appB] = bob.applications as [PairApplication];
  const copy = `${appB.pskFile}.before`;
  writeFileSync(copy, readFileSync(appB.pskFile), { mode: 0o600 });
  const before = clientOf(t, bob, { ...appB, pskFile: copy });
  t.is((await before.ask("/capabilities")).status, 200);
  writeFileSync(appB.pskFile, `${"5a".repeat(24)}\n`, { mode: 0o600 });
  bob.process.signal("SIGHUP");
  await eventually(
    "the key of before is refused",
    () =>
      before.ask("/capabilities").then(
        () => "answered",
        () => "refused",
      ),
    { is: "refused" },
  );
  t.is((await clientOf(t, bob, appB).ask("/capabilities")).status, 200);
}

testWhole.serial(
  "who is in is served while strangers flood the door, and bad requests slow down whose they are",
  async (t) => {
    const { kms, a, a2 } = await world(t);
    const { host, port } = kms.alice.skip;
    const { lines } = kms.alice.process;
    t.is((await a.ask("/capabilities")).status, 200);
    t.is((await a2.ask("/capabilities")).status, 200);
    const before = lines.length;
    const [app, other] = kms.alice.applications as [PairApplication, PairApplication];
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const strangers = Array.from({ length: 150 }, async (_, i) => {
      if (i % 3 === 0) {
        const client = clientOf(t, kms.alice, { ...app, pskFile: other.pskFile });
        return client.ask("/capabilities").then(
          () => "served",
          () => "refused",
        );
      }
      // Garbage instead of a handshake; or nothing at all.
      const socket = connect({ host, port });
      t.teardown(() => socket.destroy());
      socket.on("error", () => {});
      if (i % 3 === 1) socket.write(Buffer.alloc(20_000, i));
      await Promise.race([new Promise((resolve) => socket.once("close", resolve)), ended]);
      return "refused";
    });
    const honest = async () => {
      for (let i = 0; i < 20; i++) t.is((await a.ask("/capabilities")).status, 200);
      t.is((await a.ask("/key?remoteSystemID=app-b")).status, 200);
      end();
    };
    const [, ...outcomes] = await Promise.all([honest(), ...strangers]);
    t.deepEqual([...new Set(outcomes)], ["refused"]);
    t.true(lines.length - before < 60, `${lines.length - before} lines of the log`);

    // Its allowance of answers without a key is used up: each further one takes a second. Another's is not.
    // It grows again while a slow machine asks: until it waits, however many that takes.
    const took = async () => {
      const begun = performance.now();
      t.is((await a2.ask(`/key/${"0".repeat(32)}?remoteSystemID=app-b`)).status, 400);
      return performance.now() - begun;
    };
    await eventually("it waits in the end, ms", took, { atLeast: 900, pauseMs: 0 });
    const fetched = await Promise.all([a.ask("/key?remoteSystemID=app-b"), a2.ask("/nowhere")]);
    t.deepEqual(
      fetched.map(({ status }) => status),
      [200, 404],
    );
  },
);
