/** What parts of a configuration have to do with each other: each good by itself, and no good together. */

import { isOwnAddress } from "../../host/net/host.ts";
import { controlSocket, longestSocketPath, readSocket } from "../../ops/local/paths.ts";
import { checkManager } from "../../ops/manager/config.ts";
import { checkWeb } from "../../ops/page/config.ts";
import { isLoopback } from "../../ops/page/host.ts";
import type { RawConfig } from "./schema.ts";

export type Complain = (key: string, what: string) => void;

type Raw = RawConfig;

/** Everything that needs no driver and no other file. */
export function checkTogether(raw: Raw, complain: Complain): void {
  for (const [name, km] of Object.entries(raw.km)) checkTls(`km.${name}`, km, complain);
  if (raw.manager !== undefined) checkManager(raw.manager, complain);
  checkWeb(raw.web, complain);
  checkPorts(raw, complain);
  checkSockets(raw, complain);
}

function checkTls(key: string, km: Raw["km"][string], complain: Complain): void {
  const { transport } = km;
  if (transport === "plain" && (km.crl !== undefined || km.require_pq)) {
    complain(`${key}`, 'crl and require_pq have no use with transport "plain"');
  }
  if (transport === "plain" && km.kq2 === "required") {
    complain(
      `${key}.kq2`,
      'cannot be with transport "plain": only TLS tells what a connection is for',
    );
  }
  if (transport === "plain" && km.server_name !== undefined) {
    complain(`${key}.server_name`, 'has no use with transport "plain"');
  }
  for (const file of ["ca", "cert", "key"] as const) {
    if (transport !== "plain" && km[file] === undefined) {
      complain(`${key}.${file}`, `missing; transport "${transport}" needs ca, cert and key`);
    } else if (transport === "plain" && km[file] !== undefined) {
      complain(`${key}.${file}`, 'has no use with transport "plain"');
    }
  }
  if (transport === "plain" && km.crl_fresh) {
    complain(`${key}.crl_fresh`, 'has no use with transport "plain"');
  } else if (km.crl_fresh && km.crl === undefined) {
    complain(`${key}.crl_fresh`, "needs crl: there is no list that could run out");
  }
}

/** A port that two parts of the node listen on, or that the node would reach itself by. */
function checkPorts({ web, server, km, manager }: Raw, complain: Complain): void {
  const pageUp = web.enabled && web.port !== 0;
  if (pageUp && server !== undefined && server.port === web.port) {
    const both = overlap(server.host, web.host);
    if (both) complain("web.port", "server.port is the same: each needs one of its own");
  }
  const own = new Map<number, string>();
  if (pageUp) own.set(web.port, "the node's own page");
  if (server !== undefined) own.set(server.port, "the node's own [server]");
  for (const [name, { host, port }] of Object.entries(km)) {
    const what = own.get(port);
    if (what !== undefined && isOwnAddress(host)) complain(`km.${name}.port`, `is ${what}`);
  }
  const [, host = "", port] = /^mqtts?:\/\/\[?([^\]]*?)\]?:(\d+)$/.exec(manager?.url ?? "") ?? [];
  const what = own.get(Number(port));
  if (what !== undefined && isOwnAddress(host)) complain("manager.url", `is ${what}`);
}

function overlap(a: string, b: string): boolean {
  const anywhere = (host: string) => host === "::" || host === "0.0.0.0";
  return a === b || anywhere(a) || anywhere(b) || (isLoopback(a) && isLoopback(b));
}

/** Paths of Unix sockets: none twice, and none too long. */
function checkSockets({ node, local, panel }: Raw, complain: Complain): void {
  const control = controlSocket(local.socket, node.state_dir);
  const length = Buffer.byteLength(control);
  if (local.socket === undefined && length > longestSocketPath) {
    const most = longestSocketPath - "/control".length;
    complain(
      "node.state_dir",
      `has ${length - "/control".length} bytes; the local socket in it allows ${most}, or set local.socket`,
    );
  }
  const taken = new Map<string, string>();
  const take = (key: string, path: string | undefined) => {
    if (path === undefined) return;
    const other = taken.get(path);
    if (other !== undefined) complain(key, `is the socket of ${other}, too`);
    taken.set(path, key);
  };
  if (local.socket !== undefined) {
    take("local.socket", local.socket);
    taken.set(readSocket(local.socket), "local.socket");
  }
  take("local.maintenance", local.maintenance);
  take("panel.socket", panel?.socket);
}
