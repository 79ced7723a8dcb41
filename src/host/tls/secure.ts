/** TLS over a TCP connection that is there. */
import type { Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { inVain, sameWay } from "../net/dial.ts";
import type { clientTls } from "./options.ts";

/**
 * @param socket is this function's from now on
 * @returns a connection whose peer has proved who it is
 * @throws what OpenSSL or the system says; nothing is left open then. "stopped" if the signal was given
 */
export async function secure(
  socket: Socket,
  options: ReturnType<typeof clientTls>,
  signal: AbortSignal,
): Promise<TLSSocket> {
  let secured: TLSSocket;
  try {
    secured = connect({ socket, ...options });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  // An error that nothing listens to would end the process, also after the attempt is over.
  secured.on("error", () => {});
  const stop = () => secured.destroy(new Error("stopped"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    await new Promise<void>((resolve, reject) => {
      secured.once("secureConnect", resolve);
      secured.once("error", reject);
      secured.once("close", () => reject(new Error("connection closed")));
    });
    sameWay(secured, socket);
    return secured;
  } catch (error) {
    inVain(socket);
    secured.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
