import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Clock, systemClock } from "../../../../src/base/clock.ts";
import { describe } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { download, leastBytes, rateMs, wholeMs } from "../../../../src/ops/update/download.ts";
import { describeSlots, parseSlots, partDone } from "../../../../src/ops/update/slots.ts";
import { mostBytes, Updater } from "../../../../src/ops/update/updater.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

const bundle = Buffer.from("a bundle, or something that has its hash");
const sha256 = createHash("sha256").update(bundle).digest("hex");

interface Bench {
  readonly updater: Updater;
  readonly folder: string;
  /** Where others put bundles. */
  readonly drop: string;
  /** The node's own copy. */
  readonly own: string;
  /** Answers as root would; resolves with what was asked for. @param of the bundle that it is about */
  root(answer: string, of?: string): Promise<string>;
  /** How the update ended. */
  readonly ended: Promise<string | undefined>;
}

function bench(t: ExecutionContext, ca?: string, clock: Clock = systemClock): Bench {
  const folder = mkdtempSync(join(tmpdir(), "qkd-update-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [requests, result] = [join(folder, "requests"), join(folder, "result")];
  const { promise: ended, resolve } = Promise.withResolvers<string | undefined>();
  const updater = new Updater({
    stateFolder: folder,
    requests,
    result,
    said: join(folder, "said"),
    trust: () => ({ ca }),
    clock,
    log: silentLog,
    onEnd: (_, refused) => resolve(refused),
  });
  const root = async (answer: string, of = sha256) => {
    const request = join(requests, "request");
    await eventually("the request", () => existsSync(request));
    const asked = readFileSync(request, "utf8");
    rmSync(request);
    writeFileSync(result, `${answer}\n${of}\n`);
    return asked;
  };
  const drop = join(folder, "update/drop");
  mkdirSync(drop, { recursive: true });
  return { updater, folder, drop, own: join(folder, "update/bundle"), root, ended };
}

test("a dropped bundle is asked for by its hash, and nothing else; it stays where it is", async (t) => {
  const { updater, drop, own, root, ended } = bench(t);
  writeFileSync(join(drop, "new.raucb"), bundle);
  t.deepEqual(updater.begin({ bundle: "new.raucb", sha256 }), { started: true });
  t.is(await root("installed"), `${sha256}\n\n`);
  t.is(await ended, undefined);
  t.deepEqual(readFileSync(join(drop, "new.raucb")), bundle);
  t.false(existsSync(own), "no second copy is kept");
});

test("going back is asked for with what the manager signed; what root says is told", async (t) => {
  const { updater, drop, root, ended } = bench(t);
  writeFileSync(join(drop, "old.raucb"), bundle);
  updater.begin({ bundle: "old.raucb", sha256, allow_downgrade: true }, "head.body.signature");
  t.is(await root("refused: signature verification failed"), `${sha256}\nhead.body.signature\n`);
  t.is(await ended, "signature verification failed");
});

test("what the manager signed is not passed on where it allows nothing, nor made up where it did not sign", async (t) => {
  const without = bench(t);
  writeFileSync(join(without.drop, "new.raucb"), bundle);
  without.updater.begin({ bundle: "new.raucb", sha256 }, "head.body.signature");
  t.is(await without.root("installed"), `${sha256}\n\n`);
  await without.ended;
  const unsigned = bench(t);
  writeFileSync(join(unsigned.drop, "old.raucb"), bundle);
  unsigned.updater.begin({ bundle: "old.raucb", sha256, allow_downgrade: true });
  t.is(await unsigned.root("installed"), `${sha256}\n\n`);
  await unsigned.ended;
});

test("the answer to an earlier request is none to this one, also while there is none", async (t) => {
  let looks = 0;
  const after = (_ms: number, then: () => void) => {
    looks++;
    return systemClock.after(5, then);
  };
  const { updater, folder, drop, root, ended } = bench(t, undefined, { ...systemClock, after });
  writeFileSync(join(drop, "new.raucb"), bundle);
  // It is root's: the node can't take it away.
  mkdirSync(join(folder, "result"));
  updater.begin({ bundle: "new.raucb", sha256 });
  const looked = (times: number) => eventually("looks", () => looks, { atLeast: times });
  await looked(3);
  rmdirSync(join(folder, "result"));
  await looked(looks + 3);
  // Root was at work for a process before this one.
  await root("installed", "0".repeat(64));
  await looked(looks + 3);
  t.like(await updater.underWay(), { phase: "installing" });
  writeFileSync(join(folder, "result"), `refused: older\n${sha256}\n`);
  t.is(await ended, "older");
});

test("another bundle than the command means is not asked for, and not kept", async (t) => {
  const { updater, folder, drop, own, ended } = bench(t);
  writeFileSync(join(drop, "new.raucb"), "something else");
  updater.begin({ bundle: "new.raucb", sha256 });
  t.regex((await ended) ?? "", /another SHA-256/);
  t.false(existsSync(own));
  t.false(existsSync(join(folder, "requests/request")));
  t.is(readFileSync(join(drop, "new.raucb"), "utf8"), "something else");
});

test("no file of the node's, and none elsewhere, is renamed, removed or read for its name in a command", async (t) => {
  const { folder, drop } = bench(t);
  mkdirSync(join(folder, "spool-alice"));
  const precious = ["ledger-alice", "state.0", "state.1", "outbox", "spool-alice/1", "outside"];
  for (const name of precious) writeFileSync(join(folder, name), bundle);
  symlinkSync(join(folder, "ledger-alice"), join(drop, "link"));
  linkSync(join(folder, "state.0"), join(drop, "second-name"));
  mkdirSync(join(drop, "folder"));
  symlinkSync(folder, join(drop, "up"));
  execFileSync("mkfifo", [join(drop, "pipe")]);
  const shown = () => readdirSync(folder, { recursive: true }).sort();
  const before = shown();
  const names = [
    ...precious.map((name) => join(folder, name)),
    ...[
      "../../state.0",
      "up/state.1",
      "..",
      ".",
      "",
      "/",
      "./x",
      "a\0b",
      "a/../../bundle",
      ".hidden",
    ],
    ...["link", "second-name", "folder", "pipe", "up", "gone", "-rf", "x".repeat(129), "../bundle"],
  ];
  for (const name of names) {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const updater = new Updater({
      stateFolder: folder,
      requests: join(folder, "requests"),
      result: join(folder, "result"),
      said: join(folder, "said"),
      trust: () => ({ ca: undefined }),
      clock: systemClock,
      log: silentLog,
      onEnd: (_, refused) => resolve(refused),
    });
    updater.begin({ bundle: name, sha256 });
    t.regex((await promise) ?? "", /plain name in the drop folder|cannot be taken/, name);
    t.deepEqual(shown(), before, name);
    for (const one of precious) t.deepEqual(readFileSync(join(folder, one)), bundle, name);
  }
});

test("what an earlier process left half done is removed at the start, and nothing beside it", async (t) => {
  const { updater, drop, own, root, ended } = bench(t);
  writeFileSync(own, "half");
  writeFileSync(join(drop, "half.raucb"), bundle);
  await updater.clean();
  t.false(existsSync(own));
  t.deepEqual(readdirSync(drop), ["half.raucb"]);
  void updater.clean();
  updater.begin({ bundle: "half.raucb", sha256 });
  await root("installed");
  t.is(await ended, undefined);
});

for (const [what, args] of Object.entries({
  "no hash": { bundle: "https://x/y" },
  "a hash that is none": { bundle: "https://x/y", sha256: "ABC" },
  "an argument that does not exist": { bundle: "https://x/y", sha256, force: true },
})) {
  test(`${what} is refused at once`, (t) => {
    t.throws(() => bench(t).updater.begin(args), { code: "update" });
  });
}

for (const where of ["http://example/x", "/etc/passwd", "relative/x"]) {
  test(`a bundle at ${where} is not taken`, async (t) => {
    const { updater, ended } = bench(t);
    updater.begin({ bundle: where, sha256 });
    t.regex((await ended) ?? "", /https:\/\/ or has a plain name/);
  });
}

test("one update at a time", async (t) => {
  const { updater, drop, root, ended } = bench(t);
  writeFileSync(join(drop, "new.raucb"), bundle);
  updater.begin({ bundle: "new.raucb", sha256 });
  t.throws(() => updater.begin({ bundle: "https://x/y", sha256 }), { message: /under way/ });
  await root("installed");
  await ended;
});

test("a bundle is fetched over HTTPS from a server that the authority vouches for", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const server = createServer(identity, (request, response) => {
    if (request.url === "/moved") response.writeHead(302, { location: "/bundle" });
    response.end(bundle);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = (path: string) => `https://localhost:${port}${path}`;

  const good = bench(t, authority.cert);
  good.updater.begin({ bundle: url("/bundle"), sha256 });
  await good.root("installed");
  t.is(await good.ended, undefined);

  const moved = bench(t, authority.cert);
  moved.updater.begin({ bundle: url("/moved"), sha256 });
  t.regex((await moved.ended) ?? "", /the server refuses.*302/);

  const stranger = bench(t, (await createAuthority("stranger")).cert);
  stranger.updater.begin({ bundle: url("/bundle"), sha256 });
  t.regex((await stranger.ended) ?? "", /cannot fetch the bundle/);
  t.false(existsSync(stranger.own));
});

test("a download that crawls has an end, and so has one that never does", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const taps = new Map<string, (bytes: number) => void>();
  const server = createServer(identity, (request, response) => {
    taps.set(request.url ?? "", (bytes) => response.write(Buffer.alloc(bytes)));
    response.flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;

  const begin = async (path: string) => {
    const clock = new ManualClock();
    const one = bench(t, authority.cert, clock);
    // Of so many bytes the node has heard.
    let received = 0;
    const options = {
      trust: { ca: authority.cert },
      maxBytes: mostBytes,
      clock,
      onBytes: (bytes: number) => {
        received = bytes;
      },
    };
    const ended = download(`https://localhost:${port}${path}`, one.own, options).then(
      () => "done",
      (error) => describe(error),
    );
    await eventually("the download begins", () => taps.has(path));
    const send = async (bytes: number) => {
      const before = received;
      taps.get(path)?.(bytes);
      await eventually("bytes", () => received, { atLeast: before + bytes });
    };
    return { clock, ended, send, own: one.own };
  };

  const crawling = await begin("/crawling");
  await crawling.send(leastBytes);
  await crawling.clock.advance(rateMs);
  await crawling.send(leastBytes - 1);
  await crawling.clock.advance(rateMs);
  t.regex(await crawling.ended, /too slow/);
  t.false(existsSync(crawling.own));

  const endless = await begin("/endless");
  for (let at = 0; at < wholeMs; at += rateMs) {
    await endless.send(leastBytes);
    await endless.clock.advance(rateMs);
  }
  t.regex(await endless.ended, /takes too long/);
  t.false(existsSync(endless.own));
});

test("a download writes over nothing", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const server = createServer(identity, (_, response) => response.end(bundle));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { folder, own } = bench(t);
  writeFileSync(join(folder, "precious"), "precious");
  symlinkSync(join(folder, "precious"), own);
  const options = { trust: { ca: authority.cert }, maxBytes: mostBytes, clock: systemClock };
  await t.throwsAsync(download(`https://localhost:${port}/`, own, options), { code: "update" });
  t.is(readFileSync(own, "utf8"), "precious");
});

test("who stands at the machine may name an address without a hash, or send the bundle; no file", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const server = createServer(identity, (_, response) => response.end(bundle));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const nothing = async () => t.fail("nobody sends anything");

  const { updater, root, ended } = bench(t, authority.cert);
  const address = `https://localhost:${port}/bundle`;
  await updater.beginLocal({ bundle: address }, nothing);
  t.like(await updater.underWay(), { bundle: address });
  t.is(await root("installed"), `${sha256}\n\n`);
  t.is(await ended, undefined);
  t.is(await updater.underWay(), undefined);
  t.like(updater.last, { bundle: address, status: "installed" });

  for (const args of [
    { bundle: "new.raucb", sha256 },
    { bundle: "http://localhost/bundle" },
    { bytes: bundle.length },
    { bytes: 0, sha256 },
    { bytes: 2 ** 31, sha256 },
    { bytes: bundle.length, sha256, bundle: address },
  ]) {
    await t.throwsAsync(updater.beginLocal(args, nothing), { code: "update" });
  }
  t.is(await updater.underWay(), undefined);

  const sent = bench(t);
  const parts: unknown[] = [];
  const half = async (bytes: number, file: string, onBytes: (n: number) => void) => {
    writeFileSync(file, bundle.subarray(0, bytes / 2));
    onBytes(bytes / 2);
    parts.push(await sent.updater.underWay());
    throw new Error("the line broke");
  };
  const args = { bytes: bundle.length, sha256 };
  await t.throwsAsync(sent.updater.beginLocal(args, half), { message: "the line broke" });
  t.deepEqual(parts, [{ bundle: "a local file", phase: "receiving", done: 0.5 }]);
  t.false(existsSync(sent.own));
  t.is(await sent.updater.underWay(), undefined);
});

test("how far RAUC is and what the slots are is read from what root tells, and nothing else", (t) => {
  t.is(partDone(""), undefined);
  t.is(partDone("installing\n  0% Installing\n 20% Checking bundle\n 40% Copying"), 0.4);
  t.is(partDone("999% x"), 1);
  const good = {
    v: 1,
    board: "b",
    running: { slot: "a", version: "1" },
    other: { slot: "b", good: true },
  };
  t.truthy(parseSlots(JSON.stringify(good)));
  for (const bad of [
    "",
    "{",
    "[]",
    "{}",
    JSON.stringify({ ...good, v: 2 }),
    JSON.stringify({ ...good, running: {} }),
  ]) {
    t.is(parseSlots(bad), undefined, bad);
  }
  const slots = parseSlots(JSON.stringify({ ...good, trial_until: 100 }));
  t.like(describeSlots(slots, 40.5, 0), {
    trial: { left_s: 60, until: "1970-01-01T00:01:00.000Z" },
  });
  t.like(describeSlots(slots, 400, 0), { trial: { left_s: 0 } });
});
