/** The panel process's end of its connection to the node. Used once. */
import { connect as dial } from "node:net";
import { type Clock, every, within } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import {
  decodeNode,
  encodeLine,
  Lines,
  type NodeMessage,
  type PanelMessage,
  silentMs,
} from "../../port/panel.ts";

export interface NodeLink {
  /** Settles when it is over: with what ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  /** A node that reads nothing is told no more: the next message says it all. */
  send(message: PanelMessage): void;
  close(): Promise<void>;
}

const openTimeout = 2_000;
const mostUnread = 16_384;
const graceMs = 50;

/** @throws Fault `link.open` */
export async function connectNode(
  path: string,
  clock: Clock,
  onMessage: (message: NodeMessage) => void,
): Promise<NodeLink> {
  const fault = (why: string) => new Fault("link.open", "node is not there", { path, why });
  const socket = dial(path);
  const opened = new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const ended = Promise.withResolvers<Error | undefined>();
  let why: Error | undefined = new Fault("link.closed", "node closed the connection", { path });
  let heardAt = clock.now();
  const lines = new Lines();
  socket.on("data", (chunk: Buffer) => {
    try {
      lines.push(chunk, (line) => {
        const message = decodeNode(line);
        heardAt = clock.now();
        onMessage(message);
      });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      socket.destroy(error);
    }
  });
  socket.on("error", (error) => {
    if (error instanceof Fault) why = error;
  });
  socket.on("end", () => socket.destroy());
  try {
    await within(clock, openTimeout, opened, () => fault("no answer"));
  } catch (error) {
    socket.destroy();
    throw error instanceof Fault ? error : fault(errorCode(error) ?? "unknown");
  }
  const silent = () => clock.now() - heardAt >= silentMs;
  const silence = every(clock, silentMs / 8, () => {
    if (!silent()) return;
    clock.after(graceMs, () => {
      if (!silent() || socket.destroyed) return;
      socket.destroy(new Fault("panel.silent", "node says nothing", { path, limit_ms: silentMs }));
    });
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  void closed.then(() => {
    silence.cancel();
    ended.resolve(why);
  });
  return {
    ended: ended.promise,
    send(message) {
      if (socket.writableLength < mostUnread) socket.write(encodeLine(message));
    },
    close() {
      why = undefined;
      socket.destroy();
      return closed;
    },
  };
}
