/** Attaches an emulated controller to a Unix socket, in the framing of `drivers/panel/socket-device.ts`. */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { framed, Unframer } from "../../../drivers/panel/socket-device.ts";
import type { Attachment } from "./attachment.ts";

/** Resolves when a host can connect; one at a time. */
export async function attachSocket(
  path: string,
  onReport: (report: Buffer) => void,
): Promise<Attachment> {
  let host: Socket | undefined;
  const open = (): Promise<Server> =>
    new Promise((resolve, reject) => {
      rmSync(path, { force: true });
      const server = createServer((socket) => {
        socket.on("error", () => {});
        if (host !== undefined) return void socket.destroy();
        host = socket;
        const unframer = new Unframer();
        socket.on("data", (chunk) => unframer.push(chunk, onReport));
        socket.on("close", () => {
          host = undefined;
        });
      });
      server.once("error", reject);
      server.listen(path, () => resolve(server));
    });
  let server: Server | undefined = await open();
  const unplug = async () => {
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    const closed = new Promise((resolve) => closing.close(resolve));
    host?.destroy();
    await closed;
  };
  return {
    where: `unix:${path}`,
    send: (report) => host?.write(framed(report)),
    async plug() {
      server ??= await open();
    },
    unplug,
    async close() {
      await unplug();
      rmSync(path, { force: true });
    },
  };
}
