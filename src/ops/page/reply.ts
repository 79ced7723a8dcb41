/** Answers, with the headers that all of them carry. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzip } from "node:zlib";
import type { Asset } from "./assets.ts";

/** On every answer: nothing is loaded from elsewhere, nothing is shown elsewhere. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // With `no-referrer` the login's own form would come from the origin `null`.
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
};

/** Bodies shorter than this are sent as they are, bytes. */
const worthPacking = 1_024;

function packs(request: IncomingMessage): boolean {
  return /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
}

export function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const headers = { etag: asset.etag, "cache-control": "no-cache", vary: "accept-encoding" };
  if (request.headers["if-none-match"] === asset.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const packed = packs(request);
  const body = packed ? asset.gzip() : asset.body;
  response.writeHead(200, {
    ...headers,
    "content-type": asset.type,
    "content-length": body.length,
    ...(packed && { "content-encoding": "gzip" }),
  });
  response.end(body);
}

export function sendText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    "cache-control": "no-store",
    ...headers,
    "content-type": type,
    "content-length": body.length,
  });
  response.end(body);
}

export function sendJson(response: ServerResponse, status: number, value: object): void {
  sendText(response, status, "application/json", `${JSON.stringify(value)}\n`);
}

/** Packed where the client takes it: a plot is mostly digits. */
export function sendLongJson(
  request: IncomingMessage,
  response: ServerResponse,
  value: object,
): void {
  const text = JSON.stringify(value);
  if (!packs(request) || text.length < worthPacking) {
    sendText(response, 200, "application/json", text);
    return;
  }
  gzip(text, { level: 3 }, (error, body) => {
    if (error !== null || response.destroyed) return void response.destroy();
    response.writeHead(200, {
      "cache-control": "no-store",
      "content-type": "application/json",
      "content-encoding": "gzip",
      "content-length": body.length,
    });
    response.end(body);
  });
}

export function redirect(
  response: ServerResponse,
  location: string,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): void {
  response.writeHead(303, { location, "cache-control": "no-store", ...headers }).end();
}
