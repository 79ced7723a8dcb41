/** Who may speak with the KM, and how (TLS 1.3, certificates on both sides). */
import { X509Certificate } from "node:crypto";
import { connect as connectTcp } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { createAuthority } from "../../emulator/certificates.ts";
import { Broken } from "../run.ts";
import type { KmCase } from "./case.ts";
import { HttpsClient } from "./https.ts";
import { type Kit, pause } from "./kit.ts";
import type { Said } from "./message.ts";
import type { Target } from "./target.ts";
import { dial, TcpClient } from "./tcp.ts";

const day = 86_400_000;
const needs = { needs: "tls" } as const;

/** Tries to supply a key as somebody who shows `tls`. @returns what was said; `(closed)` if not let in */
async function asSomebody(kit: Kit, tls: Partial<Target["tls"]> & { ca: string }): Promise<Said> {
  const target = { ...kit.target, tls } as Target;
  const body = kit.payload(kit.key());
  if (target.binding === "https") return kit.keep(new HttpsClient(target)).supply(body);
  try {
    const client = kit.keep(await TcpClient.open(target, { ...tls }));
    return await client.supply(body);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { word: "(closed)", why: error.message, keyId: undefined };
  }
}

function keptOut({ word }: Said, who: string): void {
  if (word === "success") throw new Broken(`a key of ${who} is answered "success"`);
  if (word === "(silence)")
    throw new Broken(`${who} is left waiting: neither refused nor answered`);
}

function ca(kit: Kit): string {
  return kit.target.tls?.ca ?? "";
}

async function handshake(kit: Kit, more?: ConnectionOptions): Promise<TLSSocket> {
  const socket = (await dial(kit.target, more)) as TLSSocket;
  socket.destroy();
  return socket;
}

export const tlsCases: readonly KmCase[] = [
  {
    id: "tls",
    title: "the KM speaks TLS 1.3, and its certificate is from the CA and carries its name",
    ...needs,
    async run(kit) {
      const socket = (await dial(kit.target)) as TLSSocket;
      const group = socket.getEphemeralKeyInfo() as { name?: string };
      const peer = socket.getPeerX509Certificate();
      socket.destroy();
      if (peer === undefined) throw new Broken("the KM shows no certificate");
      const left = Math.floor((Date.parse(peer.validTo) - Date.now()) / day);
      if (left < 30) kit.note(`the KM's certificate is good for ${left} days only`);
      if (group.name !== undefined) kit.note(`key exchange ${group.name}`);
    },
  },
  {
    id: "tls-name",
    title: "the KM's name is a subject alternative name: a node does not go by the CN",
    ...needs,
    async run(kit) {
      const socket = (await dial(kit.target)) as TLSSocket;
      const peer = socket.getPeerX509Certificate();
      socket.destroy();
      if (peer?.subjectAltName === undefined) {
        throw new Broken("the KM's certificate has no subject alternative name");
      }
    },
  },
  {
    id: "tls-12",
    title: "TLS 1.2 is refused",
    level: "should",
    ...needs,
    async run(kit) {
      const old = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
      const socket = await handshake(kit, old).catch(() => undefined);
      if (socket !== undefined) throw new Broken("the KM takes connections of TLS 1.2");
    },
  },
  {
    id: "tls-nobody",
    title: "a client without a certificate supplies no key",
    ...needs,
    async run(kit) {
      const nothing = { ca: ca(kit), cert: undefined, key: undefined };
      keptOut(await asSomebody(kit, nothing as never), "a client without a certificate");
      await kit.alive("after it");
    },
  },
  {
    id: "tls-stranger",
    title: "a client with a certificate of another CA supplies no key",
    ...needs,
    async run(kit) {
      const stranger = await createAuthority("another CA");
      const shown = await stranger.issue({ commonName: "node", dns: ["node"], usage: "client" });
      keptOut(await asSomebody(kit, { ...shown, ca: ca(kit) }), "a stranger");
      await kit.alive("after it");
    },
  },
  {
    id: "tls-impostor",
    title:
      "a client whose certificate is by a CA of the same name, and not the same CA, supplies no key",
    ...needs,
    async run(kit) {
      const name = /CN=([^\n,]+)/.exec(new X509Certificate(ca(kit)).subject)?.[1] ?? "CA";
      const impostor = await createAuthority(name);
      const shown = await impostor.issue({ commonName: "node", dns: ["node"], usage: "client" });
      keptOut(await asSomebody(kit, { ...shown, ca: ca(kit) }), "an impostor");
      await kit.alive("after it");
    },
  },
  {
    id: "tls-half",
    title: "connections on which nobody speaks do not keep others out",
    async run(kit) {
      const { host, port } = kit.target;
      const idle = Array.from({ length: 20 }, () =>
        connectTcp({ host, port }).on("error", () => {}),
      );
      try {
        await pause(100);
        await kit.alive("with 20 connections that say nothing");
      } finally {
        for (const socket of idle) socket.destroy();
      }
    },
  },
];
