/** Can a daemon listen where it is to? Only asked while it does not run. */
import { createServer } from "node:net";
import { errorCode } from "../../base/errors.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";

export interface Place {
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

/** A place where a daemon listens; none without a port, or with one that is any. */
export function place(what: string, host: string, port: number | undefined): Place[] {
  return port === undefined || port === 0 ? [] : [{ what, host, port }];
}

/** @param runs it runs, or may run: the ports are its own @param called as a person calls it */
export async function checkPorts(
  places: readonly Place[],
  runs: boolean,
  called: string,
): Promise<Finding[]> {
  const name = ["ports", "ports"] as const;
  if (places.length === 0) return [];
  if (runs) return [skip(name, `${called} has them`)];
  const findings: Finding[] = [];
  for (const one of places) findings.push(...(await checkPlace(one)));
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
