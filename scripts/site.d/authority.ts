/** An authority of the site's own, for a site without a PKI: it signs what machines ask for. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type Issuer,
  isCertifiable,
  issueCertificate,
  issuerProblem,
} from "../../src/host/tls/issue.ts";
import { PemError, readCertificates, readPrivateKey } from "../../src/host/tls/pem.ts";
import { parseRequest, RequestError } from "../../src/host/tls/request.ts";
import { createAuthority } from "../../test/emulator/certificates.ts";
import { placeFile, placeNewFile, putFile, readNamed, staged, stageFile } from "./put.ts";
import { Refusal } from "./refusal.ts";

export const day = 86_400_000;
/** What a machine asks a certificate for, and what it is to be called on the stick. */
const requests = /^(qkd|km|controller)-[0-9a-f]{12}\.csr$/;

/** Makes `ca.key` and `ca.crt`, or ends what a run that was broken off began. @param days that it is good for */
export async function makeAuthority(folder: string, days: number): Promise<string> {
  const [key, cert] = [join(folder, "ca.key"), join(folder, "ca.crt")];
  if (existsSync(key) && !existsSync(cert)) {
    // The key has its place first: the certificate beside it is whole.
    if (existsSync(staged(cert)) && issuerOf(readNamed(staged(cert)), readNamed(key))) {
      placeFile(cert);
      return `${folder}: ca.crt, of the ca.key that was there: a run before was broken off\n`;
    }
    throw new Refusal(
      `${folder}: ca.key is there without its ca.crt. Bring that back, or move ca.key away to have another authority`,
    );
  }
  if (existsSync(cert)) {
    const found = existsSync(key) ? "ca.key and ca.crt are" : "ca.crt is, without its ca.key,";
    throw new Refusal(
      `${folder}: ${found} there already: they may be in use, and nothing is changed`,
    );
  }
  const made = await createAuthority("QKD site", undefined, days);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  stageFile(cert, made.cert);
  stageFile(key, await made.exportKey(), 0o600);
  placeNewFile(key);
  placeNewFile(cert);
  return (
    `${folder}: ca.key, ca.crt, good for ${days} days\n` +
    "Who has ca.key can make certificates for everybody at this site: keep it offline.\n"
  );
}

/** @returns undefined if the two do not belong together, or are none */
function issuerOf(cert: Buffer, secret: Buffer): Issuer | undefined {
  try {
    const [certificate] = readCertificates(cert);
    const issuer = certificate && { certificate, key: readPrivateKey(secret) };
    return issuer !== undefined && issuerProblem(issuer) === undefined ? issuer : undefined;
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    return undefined;
  }
}

/** @throws Refusal if there is none in the folder */
function openAuthority(folder: string): Issuer & { readonly cert: string } {
  const [cert, secret] = ["ca.crt", "ca.key"].map((name) => readNamed(join(folder, name)));
  const issuer = issuerOf(cert as Buffer, secret as Buffer);
  if (issuer === undefined) {
    throw new Refusal(`${folder}: ca.crt and ca.key do not belong together`);
  }
  const end = issuer.certificate.validToDate;
  if (end.getTime() <= Date.now()) {
    throw new Refusal(
      `${join(folder, "ca.crt")} ended on ${dateOf(end)}: nothing that it signs is believed any more`,
    );
  }
  return { ...issuer, cert: String(cert) };
}

/** Day of UTC. */
export const dateOf = (date: Date) => date.toISOString().slice(0, 10);

/** Until when a certificate is good, and why not longer. */
function untilText(authority: Issuer, { days }: Certifying): string {
  const end = authority.certificate.validToDate;
  const isCut = end.getTime() < Date.now() + days * day;
  const until = isCut ? end : new Date(Date.now() + days * day);
  return `until ${dateOf(until)}${isCut ? `, when the authority ends, and not for ${days} days` : ""}`;
}

export interface Certifying {
  /** Folder of the authority. */
  readonly ca: string;
  /** More names and addresses under which key manager and controller are reached. */
  readonly names: readonly string[];
  readonly days: number;
}

/**
 * Signs every request on a stick. A node's certificate is put to `site/node.crt`, a key manager's to `site/km.crt`, a
 * controller's to `site/controller.crt`, the authority's beside them. @returns what was done
 */
export async function certifyStick(stick: string, how: Certifying): Promise<string> {
  const found = readdirSync(stick).filter((name) => requests.test(name));
  if (found.length === 0) throw new Refusal(`${stick}: there is no request, such as qkd-….csr`);
  const authority = openAuthority(how.ca);
  const certificates = new Map<string, string>();
  const said: string[] = [];
  // All of them, or none.
  for (const name of found.sort()) {
    const who = requests.exec(name)?.[1] ?? "";
    const to = who === "qkd" ? "node.crt" : `${who}.crt`;
    const more = who === "qkd" ? [] : how.names;
    const { cert, id } = certify(authority, join(stick, name), more, how.days);
    if (`${id}.csr` !== name) throw new Refusal(`${name} is the request of ${id}`);
    if (certificates.has(to)) throw new Refusal(`${stick} has the requests of two machines`);
    certificates.set(to, cert);
    said.push(`site/${to}: ${[id, ...more].join(", ")}, ${untilText(authority, how)}`);
  }
  const site = join(stick, "site");
  await mkdir(site, { recursive: true });
  certificates.set("site-ca.crt", authority.cert);
  for (const [name, text] of certificates) putFile(join(site, name), text);
  return `${said.join("\n")}\nsite/site-ca.crt: who signed them\n`;
}

/** Signs one request, of what is no appliance; the certificate is put beside it. @returns what was done */
export async function certifyRequest(file: string, how: Certifying): Promise<string> {
  const authority = openAuthority(how.ca);
  const { cert, id } = certify(authority, file, how.names, how.days);
  const to = file.replace(/\.csr$/, ".crt");
  stageFile(to, cert);
  placeNewFile(to);
  return `${to}: ${[id, ...how.names].join(", ")}, ${untilText(authority, how)}\n`;
}

function certify(
  authority: Issuer,
  file: string,
  more: readonly string[],
  days: number,
): { readonly cert: string; readonly id: string } {
  const { commonName: id = "", publicKey } = requestIn(file);
  if (!/^[\w.-]{1,64}$/.test(id)) throw new Refusal(`${file}: its common name is no ID`);
  const names = [id, ...more];
  const wrong = names.find((name) => !isCertifiable(name));
  if (wrong !== undefined) throw new Refusal(`${file}: ${wrong} is no name for a certificate`);
  const now = Date.now();
  const serial = randomBytes(16);
  // Positive, and never 0.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const cert = issueCertificate(authority, {
    publicKey,
    commonName: id,
    names,
    // Key managers are both to each other, and ask nodes where these are asked for keys.
    usage: "both",
    serial,
    from: now - day,
    to: Math.min(now + days * day, authority.certificate.validToDate.getTime()),
  });
  return { cert, id };
}

function requestIn(file: string) {
  const pem = readNamed(file).toString("utf8");
  try {
    return parseRequest(pem);
  } catch (error) {
    if (error instanceof RequestError) throw new Refusal(`${file} ${error.message}`);
    throw error;
  }
}
