/** Reads what comes back for a key over HTTPS, and tells the KM's own word from a stranger's page. */
import type { IncomingMessage } from "node:http";
import { Fault } from "../../base/errors.ts";
import { readHttpAnswer } from "../../wire/kq1/answer.ts";
import type { Reason } from "../../wire/kq1/names.ts";

/** An answer is short; a longer one is none, in bytes. */
const maxAnswer = 16_384;

/** The KM's own word about a key, or in words what answers in its place. */
export type HttpAnswer =
  | { readonly reason: Reason; readonly stranger: undefined }
  | { readonly reason: undefined; readonly stranger: string };

/** Media types that are told as they are: nothing else of what a stranger sends is. */
const mediaTypes = [
  "text/html",
  "text/plain",
  "text/xml",
  "application/xml",
  "application/json",
  "application/problem+json",
];

/**
 * Reads an answer to its end and calls `then` once.
 * @param written whether all of the key has left: no KM has stored what it has not seen
 */
export function readAnswer(
  response: IncomingMessage,
  keyId: string,
  written: () => boolean,
  then: (answer: HttpAnswer) => void,
): void {
  readBody(response, (body) => then(judge(response, body, keyId, written())));
}

function judge(
  response: IncomingMessage,
  body: Buffer | string,
  keyId: string,
  written: boolean,
): HttpAnswer {
  if (typeof body === "string") return strangerSays(response, `response ${body}`);
  const { "content-encoding": encoding = "identity" } = response.headers;
  if (encoding.toLowerCase() !== "identity") {
    return strangerSays(response, "response is compressed");
  }
  try {
    const reason = readHttpAnswer(response.statusCode ?? 0, body, keyId);
    if (reason !== "success" || written) return { reason, stranger: undefined };
    return strangerSays(response, "response of success came before the key was sent");
  } catch (error) {
    if (error instanceof Fault) return strangerSays(response, error.message);
    throw error;
  }
}

/** What answers in the KM's place. @param why a few words of our own */
export function strangerSays(response: IncomingMessage | undefined, why: string): HttpAnswer {
  const who = "something between the node and the KM answers";
  if (response === undefined) return { reason: undefined, stranger: `${who}: ${why}` };
  const { statusCode = 0, headers } = response;
  const [type = ""] = (headers["content-type"] ?? "").toLowerCase().split(";");
  const known =
    type === "" ? "no type" : (mediaTypes.find((one) => one === type.trim()) ?? "other");
  return { reason: undefined, stranger: `${who}: HTTP ${statusCode}, ${known}; ${why}` };
}

/** Calls `then` once: with the whole body, which is wiped after that, or with what is wrong with it. */
function readBody(response: IncomingMessage, then: (body: Buffer | string) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let over = false;
  const end = (wrong?: string) => {
    if (over) return;
    over = true;
    const body = Buffer.concat(chunks);
    // A stranger may show what it was sent.
    for (const chunk of chunks) chunk.fill(0);
    try {
      then(wrong ?? body);
    } finally {
      body.fill(0);
    }
  };
  response.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (over || length > maxAnswer) chunk.fill(0);
    else chunks.push(chunk);
    if (length > maxAnswer) end("is too long");
  });
  response.on("end", () => end(response.complete ? undefined : "is cut off"));
  response.on("error", () => end("is cut off"));
  response.on("close", () => end("is cut off"));
}
