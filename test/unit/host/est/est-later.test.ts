import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { askEst } from "../../../../src/host/est/client.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

const wall = Date.now();
const inFour = new Date(wall + 4 * 3_600_000).toUTCString();

/** @returns its address */
async function served(t: ExecutionContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return `https://localhost:${port}/.well-known/est`;
}

test("a server of EST may say by a date when it is to be asked again, or in seconds, within limits", async (t) => {
  const ca = await createAuthority("CA");
  const { cert, key } = await ca.issue({
    commonName: "est",
    dns: ["localhost"],
    usage: "server",
  });
  let header: string | undefined;
  const server = createServer({ cert, key }, (_, response) => {
    response.writeHead(202, header === undefined ? {} : { "retry-after": header }).end();
  });
  const url = await served(t, server);
  const question = { operation: "simplereenroll", csr: Buffer.from("x") } as const;
  const clock = { ...systemClock, wall: () => Math.floor(wall / 1_000) * 1_000 };
  const ask = async (said: string | undefined) => {
    header = said;
    return askEst({ url, ca: ca.cert }, question, { clock, signal: new AbortController().signal });
  };
  for (const [said, againMs] of [
    [undefined, 600_000],
    ["soon", 600_000],
    ["7200", 7_200_000],
    ["1", 60_000],
    ["99999999999", 86_400_000],
    [inFour, 4 * 3_600_000],
    ["Wed, 03 Jun 2020 12:00:00 GMT", 60_000],
  ] as const) {
    t.deepEqual(await ask(said), { againMs }, String(said));
  }
});

test("an answer that is no certificates is named: of whom, to what, of which type", async (t) => {
  const ca = await createAuthority("CA");
  const { cert, key } = await ca.issue({ commonName: "est", dns: ["localhost"], usage: "server" });
  let body = "";
  const server = createServer({ cert, key }, (_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(body);
  });
  const url = await served(t, server);
  const question = { operation: "cacerts" } as const;
  const users = { clock: systemClock, signal: new AbortController().signal };
  for (const [page, words] of [
    ["<html>log in</html>", /is not base64/],
    ["MAMCAQE=", /another kind of CMS/],
    ["MAMCAQ==", /is cut/],
  ] as const) {
    body = page;
    const error = await t.throwsAsync(askEst({ url, ca: ca.cert }, question, users), {
      code: "est",
      message: words,
    });
    t.like((error as Fault).facts, { source: url, operation: "cacerts", type: "text/html" }, page);
  }
});
