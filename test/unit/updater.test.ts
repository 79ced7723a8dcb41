import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Clock, delay, systemClock } from "../../src/port/clock.ts";
import { silentLog } from "../../src/port/log.ts";
import { describeSlots, parseSlots, partDone } from "../../src/update/slots.ts";
import { Updater } from "../../src/update/updater.ts";
import { createAuthority } from "../emulator/certificates.ts";

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

const bundle = Buffer.from("a bundle, or something that has its hash");
const sha256 = createHash("sha256").update(bundle).digest("hex");

interface Bench {
  readonly updater: Updater;
  readonly folder: string;
  /** Answers as root would; resolves with what was asked for. */
  root(answer: string): Promise<string>;
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
    ca: () => ca,
    clock,
    log: silentLog,
    onEnd: (_, refused) => resolve(refused),
  });
  const root = async (answer: string) => {
    const request = join(requests, "request");
    while (!existsSync(request)) await delay(systemClock, 5);
    const asked = readFileSync(request, "utf8");
    rmSync(request);
    writeFileSync(result, `${answer}\n`);
    return asked;
  };
  return { updater, folder, root, ended };
}

test("a bundle in the state folder is asked for by its name, and nothing else", async (t) => {
  const { updater, folder, root, ended } = bench(t);
  writeFileSync(join(folder, "new.raucb"), bundle);
  t.deepEqual(updater.begin({ bundle: join(folder, "new.raucb"), sha256 }), { started: true });
  t.is(await root("installed"), `${folder}/update.raucb\n\n`);
  t.is(await ended, undefined);
});

test("going back must be allowed; what root says is told", async (t) => {
  const { updater, folder, root, ended } = bench(t);
  writeFileSync(join(folder, "old.raucb"), bundle);
  updater.begin({ bundle: join(folder, "old.raucb"), sha256, allow_downgrade: true });
  t.regex(await root("refused: signature verification failed"), /\nallow-downgrade\n$/);
  t.is(await ended, "signature verification failed");
});

test("the answer to an earlier request is none to this one, also while there is none", async (t) => {
  let looks = 0;
  const after = (_ms: number, then: () => void) => {
    looks++;
    return systemClock.after(5, then);
  };
  const { updater, folder, ended } = bench(t, undefined, { ...systemClock, after });
  writeFileSync(join(folder, "new.raucb"), bundle);
  // It is root's: the node can't take it away.
  mkdirSync(join(folder, "result"));
  updater.begin({ bundle: join(folder, "new.raucb"), sha256 });
  const looked = async (times: number) => {
    while (looks < times) await delay(systemClock, 5);
  };
  await looked(3);
  rmdirSync(join(folder, "result"));
  await looked(looks + 3);
  writeFileSync(join(folder, "result"), "refused: older\n");
  t.is(await ended, "older");
});

test("another bundle than the command means is not asked for, and not kept", async (t) => {
  const { updater, folder, ended } = bench(t);
  writeFileSync(join(folder, "new.raucb"), "something else");
  updater.begin({ bundle: join(folder, "new.raucb"), sha256 });
  t.regex((await ended) ?? "", /another SHA-256/);
  t.false(existsSync(join(folder, "update.raucb")));
  t.false(existsSync(join(folder, "requests/request")));
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

for (const where of ["http://example/x", "/etc/passwd", "relative"]) {
  test(`a bundle at ${where} is not taken`, async (t) => {
    const { updater, ended } = bench(t);
    updater.begin({ bundle: where, sha256 });
    t.regex((await ended) ?? "", /https:\/\/ or in the state folder/);
  });
}

test("one update at a time", async (t) => {
  const { updater, folder, root, ended } = bench(t);
  writeFileSync(join(folder, "new.raucb"), bundle);
  updater.begin({ bundle: join(folder, "new.raucb"), sha256 });
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
  t.false(existsSync(join(stranger.folder, "update.raucb")));
});

test("who stands at the machine may name an address without a hash, or send the bundle; no file", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const server = createServer(identity, (_, response) => response.end(bundle));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const nothing = async () => t.fail("nobody sends anything");

  const { updater, folder, root, ended } = bench(t, authority.cert);
  const address = `https://localhost:${port}/bundle`;
  await updater.beginLocal({ bundle: address }, nothing);
  t.like(await updater.underWay(), { bundle: address });
  t.is(await root("installed"), `${folder}/update.raucb\n\n`);
  t.is(await ended, undefined);
  t.is(await updater.underWay(), undefined);
  t.like(updater.last, { bundle: address, status: "installed" });

  for (const args of [
    { bundle: `${folder}/update.raucb`, sha256 },
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
  t.false(existsSync(join(sent.folder, "update.raucb")));
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
