/** Two KMEs on this machine as a target of the suite, with certificates made for them. */
import { type Authority, createAuthority } from "../../emulator/certificates.ts";
import type { Credentials, Sae, Target } from "./target.ts";

const clients = ["master", "slave", "third", "stranger"] as const;

export interface KmePki {
  readonly ca: Authority;
  readonly kme: Credentials;
  readonly of: Readonly<Record<(typeof clients)[number], Credentials>>;
}

export async function createKmePki(): Promise<KmePki> {
  const ca = await createAuthority("KME CA");
  const kme = await ca.issue({ commonName: "kme", dns: ["kme"], usage: "server" });
  const made = await Promise.all(
    clients.map(async (name) => [
      name,
      await ca.issue({ commonName: name, dns: [name], usage: "client" }),
    ]),
  );
  return { ca, kme, of: Object.fromEntries(made) };
}

/** @param ports of the master's and of the slave's KME */
export function kmesAt(
  { ca, of }: KmePki,
  ports: readonly [number, number],
  more: Partial<Target> = {},
): Target {
  const sae = (id: "master" | "slave" | "third", port: number): Sae => {
    const door = { host: "127.0.0.1", port, serverName: "kme", prefix: "", ca: ca.cert };
    return { id, ...of[id], door };
  };
  return {
    master: sae("master", ports[0]),
    slave: sae("slave", ports[1]),
    third: sae("third", ports[1]),
    stranger: of.stranger,
    answerMs: 20_000,
    tolerated: new Set(),
    ...more,
  };
}
