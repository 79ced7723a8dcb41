/** Who may ask a KME for keys: TLS with certificates on both sides, and SAE IDs that it knows. */
import { X509Certificate } from "node:crypto";
import { createAuthority } from "../../emulator/certificates.ts";
import { Broken, NotApplicable } from "../run.ts";
import type { KmeCase } from "./case.ts";
import { type Kit, requestOf } from "./kit.ts";
import type { Credentials } from "./target.ts";

/** A SAE ID that no KME has. */
const unknownId = "no-such-sae-5f0c1e";

/** A client that shows this certificate gets no status, and the others are served after it. */
async function keptOut(kit: Kit, who: Credentials | undefined, name: string): Promise<void> {
  const { door } = kit.master;
  const path = kit.path(kit.master, kit.slave.id, "status");
  const one = await kit.connect(door, who).catch((error: unknown) => {
    if (error instanceof Broken) return undefined;
    throw error;
  });
  if (one !== undefined) {
    one.send(requestOf(door, path, {}));
    const answer = await one.next();
    if (answer === "(silence)") throw new Broken(`${name} is left waiting`);
    if (answer !== "(closed)" && ![400, 401, 403, 495, 496].includes(answer.status)) {
      throw new Broken(`${name}: answered ${answer.status}`);
    }
  }
  await kit.alive(`after ${name}`);
}

export const accessCases: readonly KmeCase[] = [
  {
    id: "tls",
    clause: "§5, HTTPS",
    title: "the KME speaks TLS 1.2 or later, with a certificate of its CA and of its name",
    async run(kit) {
      const { socket } = await kit.connect(kit.master.door, kit.master);
      kit.note(`${socket.getProtocol()}, ${socket.getCipher().standardName}`);
    },
  },
  {
    id: "tls-old",
    clause: "§5, HTTPS",
    title: "TLS 1.1 is refused",
    async run(kit) {
      const old = {
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0",
      } as const;
      const one = await kit.connect(kit.master.door, kit.master, old).catch(() => undefined);
      if (one !== undefined) throw new Broken("a connection of TLS 1.1 stands");
    },
  },
  {
    id: "tls-nobody",
    clause: "§5, authentication",
    title: "a client without a certificate is answered nothing",
    run: (kit) => keptOut(kit, undefined, "a client without a certificate"),
  },
  {
    id: "tls-other-ca",
    clause: "§5, authentication",
    title: "a client with a certificate of another CA that names a SAE is answered nothing",
    async run(kit) {
      const other = await createAuthority("another CA");
      const { id } = kit.master;
      const shown = await other.issue({ commonName: id, dns: dnsOf(id), usage: "client" });
      await keptOut(kit, shown, "a client with a certificate of another CA");
    },
  },
  {
    id: "tls-impostor",
    clause: "§5, authentication",
    title: "the same, and that CA has the name of the right one",
    async run(kit) {
      const right = new X509Certificate(kit.master.cert).issuer;
      const name = /CN=([^\n,]+)/.exec(right)?.[1] ?? "CA";
      const impostor = await createAuthority(name);
      const { id } = kit.master;
      const shown = await impostor.issue({ commonName: id, dns: dnsOf(id), usage: "client" });
      await keptOut(kit, shown, "a client with a certificate of an impostor");
    },
  },
  {
    id: "stranger",
    clause: "§5, 401",
    title:
      "a certificate of no SAE is answered the same 401 whatever it asks, of SAEs that there are or not",
    needs: "stranger",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.target.stranger);
      const heard = new Set<string>();
      for (const id of [kit.slave.id, kit.master.id, unknownId]) {
        for (const method of ["status", "enc_keys", "dec_keys"] as const) {
          one.send(requestOf(door, kit.path(kit.master, id, method), {}));
          const answer = await one.next();
          if (answer === "(closed)") return kit.note("it is not let in at all");
          if (answer === "(silence)") throw new Broken(`${method} of a stranger: no answer`);
          kit.unauthorized(answer, `${method} of a stranger`);
          heard.add(`${answer.status} ${answer.body.toString("latin1")}`);
        }
      }
      if (heard.size > 1)
        throw new Broken("the answers differ: a stranger learns which SAEs there are");
    },
  },
  ...(["status", "enc_keys"] as const).map(
    (method): KmeCase => ({
      id: `unknown-${method.replace("_keys", "")}`,
      clause: "§5, 401",
      title: `${method} for a SAE that the KME does not know is refused`,
      async run(kit) {
        const answer = await kit.ask(kit.master, kit.path(kit.master, unknownId, method));
        kit.unauthorized(answer, `${method} for an unknown SAE`);
      },
    }),
  ),
  {
    id: "unknown-dec",
    clause: "§5.3, 401",
    title: "dec_keys with a master that the KME does not know is refused, and the keys stay",
    async run(kit) {
      const keys = await kit.given();
      const path = kit.path(kit.slave, unknownId, "dec_keys", `?key_ID=${keys[0]?.id}`);
      kit.unauthorized(await kit.ask(kit.slave, path), "dec_keys with an unknown master");
      await kit.fetched(keys, "dec_keys with the right master after it");
    },
  },
  {
    id: "self",
    clause: "§5.2",
    title: "a SAE gets no keys for itself",
    level: "should",
    async run(kit) {
      const answer = await kit.ask(kit.master, kit.path(kit.master, kit.master.id, "enc_keys"));
      kit.is(answer, [400, 401, 403, 404, 422], "enc_keys for itself");
    },
  },
  {
    id: "foreign-kme",
    clause: "§5, 401",
    title: "a SAE of another KME is given nothing here",
    level: "should",
    async run(kit) {
      const { door } = kit.master;
      const one = await kit.connect(door, kit.slave).catch(() => undefined);
      if (one === undefined) throw new NotApplicable("not applicable, because it is not let in");
      one.send(requestOf(door, kit.path(kit.master, kit.master.id, "enc_keys"), {}));
      const answer = await one.next();
      if (typeof answer === "string") return;
      kit.is(answer, [400, 401, 403, 404], "enc_keys of the slave at the master's KME");
    },
  },
];

/** A SAE ID may be no name of the DNS. */
function dnsOf(id: string): string[] {
  return /^[A-Za-z0-9.-]+$/.test(id) ? [id] : [];
}
