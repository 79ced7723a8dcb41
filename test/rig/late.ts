/**
 * The late world: with `QKD_LATE=<seed>` in the environment, brokers, KMs and disks that a rig has a hand
 * on delay all they do by 0 to 1 s. A test that asserts at once what arrives later fails in it.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { pathToFileURL } from "node:url";
import { random } from "../random.ts";

/** The longest delay of a chunk of bytes, and of an fsync. */
export const lateMs = 1_000;
/** Bytes on their way through a door before it stops reading. */
const mostQueued = 1_048_576;

/** The seed; undefined: everything is on time. */
export function lateSeed(): number | undefined {
  const text = process.env.QKD_LATE ?? "";
  return text === "" ? undefined : Number(text);
}

/** What a daemon's environment has so that its disk is late as well; nothing when all is on time. */
export function lateDisk(): Record<string, string> {
  if (lateSeed() === undefined) return {};
  const preload = pathToFileURL(`${import.meta.dirname}/late-disk.ts`).href;
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --import ${preload}`.trim() };
}

/** Until then, ms. */
const wait = (due: number) => Math.max(1, Math.ceil(due - performance.now()));

/** Passes on what comes in, each piece by its delay and in its order, and in the end the end. */
function pass(from: Socket, to: Socket, draw: () => number): void {
  const waiting: { readonly due: number; readonly act: () => void }[] = [];
  let queued = 0;
  // One timer for all: several that are due at once need not keep their order.
  const next = () => {
    while (waiting[0] !== undefined && waiting[0].due <= performance.now()) waiting.shift()?.act();
    if (waiting[0] !== undefined) setTimeout(next, wait(waiting[0].due));
  };
  const later = (act: () => void) => {
    const due = Math.max(waiting.at(-1)?.due ?? 0, performance.now() + draw() * lateMs);
    if (waiting.push({ due, act }) === 1) setTimeout(next, wait(due));
  };
  from.on("data", (chunk: Buffer) => {
    queued += chunk.length;
    if (queued > mostQueued) from.pause();
    later(() => {
      queued -= chunk.length;
      if (queued <= mostQueued) from.resume();
      if (!to.destroyed) to.write(chunk);
    });
  });
  from.on("error", () => {});
  from.once("end", () => later(() => to.end()));
  from.once("close", () => later(() => to.destroy()));
}

/** Doors in front of ports, each of which is as late as the seed says. */
export class LateDoors {
  readonly #doors: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];
  #seed = lateSeed();

  /** @returns a port that leads to this one, later; the port itself when all is on time */
  async before(port: number): Promise<number> {
    if (this.#seed === undefined) return port;
    const draw = random(this.#seed++);
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      }
      pass(near, far, draw);
      pass(far, near, draw);
    });
    this.#doors.push({ server, sockets });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    // A broker that is started again keeps its door.
    server.unref();
    return (server.address() as { port: number }).port;
  }

  /** Any number of times. */
  async close(): Promise<void> {
    for (const { server, sockets } of this.#doors.splice(0)) {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}
