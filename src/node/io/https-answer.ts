/**
 * Writes a response with keys over HTTP, and tells how that went: a write that Node.js took is not one
 * that the kernel took, and a client may be gone at any time.
 */
import type { ServerResponse } from "node:http";
import { isGone } from "../../host/door/turns.ts";
import { bytesBeforeKeys } from "../../wire/kq1/request.ts";

export { isGone };

/** See `Sending` of the desk. */
export type Sending = "sent" | "unsent" | "torn";

/** What a TLS socket is given at once it holds a second time, encrypted, until the kernel takes it. */
const piece = 65_536;

/**
 * Sends `body`, which is wiped in every case. The headers, and what has no key in it, go first: a
 * client that is gone by then has got no key. Afterwards the connection goes on, or is ended if not all
 * was sent.
 * @param response whose turn it is on its connection
 */
export async function sendKeys(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<Sending> {
  try {
    if (isGone(response)) return "unsent";
    response.writeHead(status, { ...headers, "content-length": body.length });
    const begun = await written(response, body.subarray(0, bytesBeforeKeys));
    if (!begun || isGone(response)) return "unsent";
    // By itself: what a TLS socket is given together it joins into a copy, which is not wiped.
    for (let at = bytesBeforeKeys; at < body.length; at += piece) {
      if (!(await written(response, body.subarray(at, at + piece)))) return "torn";
    }
    response.end();
    return "sent";
  } finally {
    body.fill(0);
    if (!response.writableEnded) response.destroy();
  }
}

/**
 * @returns whether the kernel took all of it, and the connection was not cut. A client may have closed
 *   its side by then: most do as soon as they have read all that was announced
 */
function written(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const closed = () => resolve(false);
    response.once("close", closed);
    response.write(bytes, (error) => {
      response.off("close", closed);
      // A socket that was destroyed meanwhile calls this without an error.
      resolve(!error && !response.destroyed && response.socket?.destroyed === false);
    });
  });
}
