import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { download } from "../../../../src/ops/update/download.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

test("nothing is fetched from a server whose certificate is revoked", async (t) => {
  const authority = await createAuthority("updates");
  const identity = await authority.issue({ commonName: "u", dns: ["localhost"], usage: "server" });
  const server = createServer(identity, (_, response) => response.end("a bundle"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "qkd-download-"));
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  const fetched = async (name: string, revoked: readonly string[]) => {
    const file = join(folder, name);
    const trust = { ca: authority.cert, crl: await authority.revoke(revoked) };
    const options = { trust, maxBytes: 1_000, clock: systemClock };
    await download(`https://localhost:${port}/`, file, options);
    return readFileSync(file, "utf8");
  };
  t.is(await fetched("one", []), "a bundle");
  await t.throwsAsync(fetched("two", [identity.cert]), { message: /CERT_REVOKED/ });
});
