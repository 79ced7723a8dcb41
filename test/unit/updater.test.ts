import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { delay, systemClock } from "../../src/port/clock.ts";
import { silentLog } from "../../src/port/log.ts";
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

function bench(t: ExecutionContext, ca?: string): Bench {
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
    clock: systemClock,
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
