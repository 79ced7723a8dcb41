/** Key supply over HTTPS (Annex B.1, B.2) for the test KM: a message in, a status and JSON out. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Fault } from "../../../src/base/errors.ts";
import type { Desk, Line } from "./desk.ts";
import { names, type Reason } from "./wire.ts";

/** What a payload may have over TCP; HTTP has no limit of its own. */
const maxBody = 1_048_576;

const statuses: Partial<Record<Reason, number>> = {
  success: 201,
  duplicate_key_ID: 409,
  busy: 503,
  storage_full: 507,
  hash_mismatch: 422,
  unknown_module: 404,
  unauthorized: 401,
  internal_error: 500,
};

/** Serves one request. @param peer names in the client's certificate */
export async function serveHttp(
  desk: Desk,
  peer: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const line = createLine(peer, request, response);
  const refuse = (what: string) => desk.reject(new Fault("kq1.message", what), line);
  if (request.method !== "POST") return refuse("only POST supplies a key");
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBody) return refuse("body too long");
      chunks.push(chunk);
    }
  } catch {
    // The node is gone in the middle of it.
    return;
  } finally {
    if (length > maxBody) for (const chunk of chunks) chunk.fill(0);
  }
  const payload = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const chunk of chunks) {
    at += chunk.copy(payload, at);
    chunk.fill(0);
  }
  desk.supply(payload, line);
}

function createLine(
  peer: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Line {
  const encode: Line["response"] = (reason, keyId, moduleId) =>
    Buffer.from(
      JSON.stringify({
        [names.keyId]: keyId,
        [names.moduleId]: moduleId,
        [names.response]: reason,
      }),
    );
  return {
    peer,
    response: encode,
    raw: (bytes) => void request.socket.write(bytes),
    answer(reason, keyId, moduleId) {
      if (response.headersSent || response.destroyed) return false;
      const body = encode(reason, keyId, moduleId);
      response.writeHead(statuses[reason] ?? 400, {
        "content-type": "application/json",
        "content-length": body.length,
      });
      response.end(body);
      return true;
    },
    close: () => response.once("finish", () => request.socket.destroySoon()),
    drop: () => request.socket.destroy(),
  };
}
