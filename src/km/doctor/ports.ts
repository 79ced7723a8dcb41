/** Can the key manager listen where it is to? Only asked while it does not run. */
import { createServer } from "node:net";
import { errorCode } from "../../base/errors.ts";
import { type Finding, fail, ok, skip } from "../../ops/doctor/finding.ts";
import type { KmConfig } from "../config/load.ts";

interface Place {
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

function placesOf({ kq1, kx, etsi014, skip: psk, web }: KmConfig): Place[] {
  const place = (what: string, host: string, port: number | undefined): Place[] =>
    port === undefined || port === 0 ? [] : [{ what, host, port }];
  return [
    ...(kq1 === undefined
      ? []
      : [
          ...place("kq1.port", kq1.host, kq1.port),
          ...place("kq1.https_port", kq1.host, kq1.https_port),
        ]),
    ...(kx === undefined ? [] : place("kx.port", kx.host, kx.port)),
    ...(etsi014 === undefined ? [] : place("etsi014.port", etsi014.host, etsi014.port)),
    ...(psk === undefined ? [] : place("skip.port", psk.host, psk.port)),
    ...(web?.enabled === true ? place("web.port", web.host, web.port) : []),
  ];
}

/** @param runs it runs, or may run: the ports are its own */
export async function checkPorts(config: KmConfig, runs: boolean): Promise<Finding[]> {
  const name = ["ports", "ports"] as const;
  const places = placesOf(config);
  if (places.length === 0) return [];
  if (runs) return [skip(name, "the key manager has them")];
  const findings: Finding[] = [];
  for (const place of places) findings.push(...(await checkPlace(place)));
  const all = places.map(({ port }) => port).join(", ");
  return findings.length > 0 ? findings : [ok(name, `${all} are free`)];
}

const reasons: Readonly<Record<string, readonly [string, string]>> = {
  EADDRINUSE: ["another program has it", "ss -ltnp shows which one; stop it, or take another port"],
  EACCES: [
    "it may not be used by you",
    "below 1024 only root may listen: take a port above, or AmbientCapabilities in the unit",
  ],
  EADDRNOTAVAIL: ["this machine has no such address", "ip addr shows those that it has"],
  ENOTFOUND: ["no such name", "check it in the configuration: getent hosts NAME"],
};

async function checkPlace({ what, host, port }: Place): Promise<Finding[]> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
    return [];
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    const [why, advice] = reasons[code] ?? [code, "check host and port in the configuration"];
    return [fail([`port.${what}`, what], `${host} port ${port}: ${why}`, advice)];
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
