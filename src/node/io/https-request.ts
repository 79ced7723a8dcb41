/** Reads what a client asks over HTTPS: the path, its parameters or its body, and how it names the request. */
import type { IncomingMessage } from "node:http";
import { checkEtsiRequest, membersOfBody, membersOfQuery } from "../../wire/etsi014/etsi014.ts";
import { httpStatus, requestIdHeader } from "../../wire/kq1/names.ts";
import { checkToken, type KeyRequestMessage, type RequestMembers } from "../../wire/kq1/request.ts";

const maxBody = 4_096;

/** A refusal, with the reason of Table 4 and a text for a person. */
export class Refusal extends Error {
  readonly reason: string;
  readonly status: number;

  constructor(reason: string, message: string, status = httpStatus[reason] ?? 500) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}

/** @throws Refusal */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal("invalid_message", "path is not percent-encoded UTF-8");
  }
}

/** @throws Refusal if the request's target is no path: such as `//`, or a full address of another */
export function target({ url = "" }: IncomingMessage): URL {
  const parsed = url.startsWith("/") ? URL.parse(`https://node${url}`) : null;
  if (parsed === null || parsed.host !== "node")
    throw new Refusal("invalid_message", "no path", 400);
  return parsed;
}

/** @throws Fault `kq1.message`, Refusal */
export async function readRequest(request: IncomingMessage, url: URL): Promise<KeyRequestMessage> {
  const wanted = checkEtsiRequest(await readMembers(request, url));
  const named = request.headersDistinct[requestIdHeader] ?? [];
  const token = checkToken(named[0], requestIdHeader);
  // Names must be one: which of two is meant cannot be known.
  const other = wanted.token !== undefined && token !== undefined && wanted.token !== token;
  if (named.length > 1 || other) throw new Refusal("invalid_message", "the request has two names");
  return { ...wanted, token: token ?? wanted.token };
}

async function readMembers(request: IncomingMessage, url: URL): Promise<RequestMembers> {
  if (request.method === "GET") return membersOfQuery(url.searchParams);
  if (request.method !== "POST") throw new Refusal("invalid_message", "GET or POST only", 405);
  const chunks: Buffer[] = [];
  let length = 0;
  // A stream that is left is destroyed otherwise, and its connection with it: nothing could be answered.
  const body: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBody) throw new Refusal("invalid_message", `body over ${maxBody} bytes`, 413);
    chunks.push(chunk);
  }
  return membersOfBody(Buffer.concat(chunks));
}
