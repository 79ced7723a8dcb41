/** `scripts/certificates`: a CA, and certificates for nodes and KMs, for a bench. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe } from "../../src/base/errors.ts";
import {
  type Authority,
  createAuthority,
  loadAuthority,
} from "../../test/emulator/certificates.ts";
import { dateOf, day } from "../site.d/authority.ts";
import { placeFile, placeNewFile, readNamed, staged, stageFile } from "../site.d/put.ts";
import { Refusal } from "../site.d/refusal.ts";
import { guardOutput } from "../tool.ts";
import { type Holder, type Options, readOptions, UsageError, usage } from "./options.ts";

/** Of sysexits.h. */
const exit = { ok: 0, usage: 64, cannotWrite: 73 } as const;

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`certificates: ${text}\n`);

class FolderError extends Error {}

/** The authority of the folder, a new one if there is none; how long it can make certificates for, at most as asked. */
async function authorityOf(
  options: Options,
): Promise<{ readonly authority: Authority; readonly days: number }> {
  const { folder, days } = options;
  const [cert, key] = [join(folder, "ca.crt"), join(folder, "ca.key")];
  if (existsSync(cert) && existsSync(key)) {
    try {
      const { validToDate } = new X509Certificate(readNamed(cert));
      const left = Math.floor((validToDate.getTime() - Date.now()) / day);
      if (left < 1) {
        const end = left < 0 ? "ended" : "ends";
        throw new Error(`ca.crt ${end} on ${dateOf(validToDate)}; without both another CA is made`);
      }
      const made = await loadAuthority(readFileSync(cert, "utf8"), readFileSync(key, "utf8"));
      return { authority: made, days: Math.min(days, left) };
    } catch (error) {
      const why = error instanceof Error ? error.message : describe(error);
      throw new FolderError(`${cert} and ${key} cannot be used: ${why}`);
    }
  }
  if (existsSync(key) && existsSync(staged(cert)) && belong(staged(cert), key)) {
    // A run before was broken off between the two.
    placeFile(cert);
    return authorityOf(options);
  }
  if (existsSync(cert) || existsSync(key)) {
    throw new FolderError(`${folder} has half of a CA: ca.crt and ca.key belong together`);
  }
  const made = await createAuthority("qkd bench CA", undefined, days * 10);
  stageFile(cert, made.cert);
  stageFile(key, await made.exportKey(), 0o600);
  placeNewFile(key);
  placeNewFile(cert);
  return { authority: made, days };
}

/** Whether a certificate is that of a key. */
function belong(cert: string, key: string): boolean {
  try {
    const certificate = new X509Certificate(readNamed(cert));
    return certificate.checkPrivateKey(createPrivateKey(readNamed(key)));
  } catch {
    return false;
  }
}

async function issue(
  authority: Authority,
  { folder, days, renew }: Options,
  { name, dns, ip }: Holder,
): Promise<"made" | "kept"> {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (existsSync(cert) && existsSync(key) && !renew) {
    if (belong(cert, key)) return "kept";
    throw new FolderError(
      `${cert} and ${key} do not belong together, or are none: --renew makes both anew`,
    );
  }
  // Both usages: over HTTPS a KM may also ask a node, and is the client then.
  const identity = await authority.issue({ commonName: name, dns, ip, usage: "both", days });
  stageFile(cert, identity.cert);
  stageFile(key, identity.key, 0o600);
  placeFile(key);
  placeFile(cert);
  return "made";
}

function explain(options: Options, folder: string, outcome: ReadonlyMap<string, string>): void {
  const { kms, nodes } = options;
  say(`${folder}: CA in ca.crt; its key, ca.key, is for making more`);
  for (const { name, dns, ip } of [...kms, ...nodes]) {
    const until = dateOf(new X509Certificate(readNamed(join(folder, `${name}.crt`))).validToDate);
    const names = [...dns, ...ip].join(", ");
    say(`  ${outcome.get(name)}  ${name}.crt, ${name}.key: ${names}; until ${until}`);
  }
  const [km, node] = [kms[0], nodes[0]];
  if (km !== undefined) {
    say(`\nThe KM: certificate ${km.name}.crt, key ${km.name}.key, accepts clients of ca.crt.`);
  }
  if (node !== undefined) {
    const q = (file: string) => JSON.stringify(join(folder, file));
    say(`A node (in [km.NAME]; server_name = ${JSON.stringify(km?.name ?? "km")}):`);
    say(
      `  ca = ${q("ca.crt")}\n  cert = ${q(`${node.name}.crt`)}\n  key = ${q(`${node.name}.key`)}`,
    );
  }
  say("All of them anew: --renew.");
}

async function run(options: Options): Promise<void> {
  const folder = resolve(options.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { authority, days } = await authorityOf(options);
  const outcome = new Map<string, "made" | "kept">();
  for (const one of [...options.kms, ...options.nodes]) {
    outcome.set(one.name, await issue(authority, { ...options, days }, one));
  }
  if (days < options.days && [...outcome.values()].includes("made")) {
    complain(`good for ${days} days and not ${options.days}: the CA in ${folder} ends then`);
  }
  if (!options.json) return explain(options, folder, outcome);
  const files = (name: string) => ({
    cert: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  });
  const list = (holders: readonly Holder[]) =>
    holders.map((one) => ({ ...one, ...files(one.name), outcome: outcome.get(one.name) }));
  say(JSON.stringify({ ca: files("ca").cert, kms: list(options.kms), nodes: list(options.nodes) }));
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options === "help") process.stdout.write(usage);
    else await run(options);
    return exit.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (scripts/certificates --help tells more)`);
      return exit.usage;
    }
    complain(
      error instanceof FolderError || error instanceof Refusal ? error.message : describe(error),
    );
    return exit.cannotWrite;
  }
}

guardOutput("certificates");
process.exitCode = await main(process.argv.slice(2));
