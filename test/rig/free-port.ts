/**
 * Ports for programs that are told theirs before they start.
 *
 * A port that was free a moment ago need not be when the program listens: the system gives its own range
 * (from 32768) to every connection of every test that runs beside. So these lie below that range, and each
 * is claimed until this process ends: by an abstract socket, which leaves nothing behind.
 */
import { randomInt } from "node:crypto";
import { createServer, type ListenOptions, type Server } from "node:net";

const lowest = 15_000;
const highest = 32_000;
const attempts = 200;

function listening(at: ListenOptions): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(at, () => resolve(server));
  });
}

/** @returns a port of this machine that no other test gets while this process lives */
export async function freePort(): Promise<number> {
  for (let i = 0; i < attempts; i++) {
    const port = randomInt(lowest, highest);
    const claim = await listening({ path: `\0qkd-test-port-${port}` });
    const server = claim && (await listening({ port, host: "127.0.0.1" }));
    if (server !== undefined) {
      claim?.unref();
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
    claim?.close();
  }
  throw new Error(`no free port among ${attempts} between ${lowest} and ${highest}`);
}
