/** A KM on this machine as a target of the suite: with certificates made for it, in both bindings. */
import { type Authority, createAuthority } from "../../emulator/certificates.ts";
import type { TlsMaterial } from "../../emulator/km/index.ts";
import type { Binding, Target } from "./target.ts";

export interface Pki {
  readonly ca: Authority;
  readonly km: TlsMaterial;
  readonly node: { readonly cert: string; readonly key: string };
}

export async function createPki(): Promise<Pki> {
  const ca = await createAuthority("conformance CA");
  const km = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const node = await ca.issue({ commonName: "node-a", dns: ["node-a"], usage: "client" });
  return { ca, km: { ...km, ca: ca.cert }, node };
}

export function targetAt(
  pki: Pki,
  binding: Binding,
  port: number,
  more: Partial<Target> = {},
): Target {
  return {
    host: "127.0.0.1",
    port,
    binding,
    serverName: "km",
    tls: { ...pki.node, ca: pki.ca.cert },
    path: "/api/v1/keys/QKD-B-0001/store_key",
    moduleId: "QKD-A-0001",
    matchingModuleId: "QKD-B-0001",
    answerMs: 20_000,
    ...more,
  };
}
