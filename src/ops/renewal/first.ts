/** The first certificates: a person brought them where the program may read, and it renews them where it may write. */
import type { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Problem } from "../../host/config/problems.ts";
import { readRegular } from "../../host/disk/regular-file.ts";
import { ending } from "../../host/tls/chain.ts";
import { PemError, readCertificates } from "../../host/tls/pem.ts";
import { renewable } from "./config.ts";
import type { RenewalTables } from "./open.ts";

/**
 * Copies from `first` what is not there yet, is of another key, or lasts longer: a person has brought another one.
 * A certificate that is not in `first` is left as it is. The one that gives way is kept beside it, with what it came
 * from: a machine that goes back from a configuration has it again.
 * @param wall ms since 1970 UTC
 * @throws Fault `state.io`
 */
export function settleFirst({ est, stateDir, sets }: RenewalTables, wall: number): void {
  const first = est?.first;
  if (first === undefined) return;
  for (const { cert } of renewable(stateDir, sets)) {
    const source = join(first, basename(cert));
    const brought = firstOf(source);
    if (brought === undefined) continue;
    const origin = brought.fingerprint256;
    const settled = textOf(originFile(cert));
    const present = firstOf(cert);
    const before = beforeOf(cert);
    // Only what is as it was brought is gone back from, and not to one that is over.
    if (before !== undefined && settled !== origin && before.origin === origin) {
      const { certificate, pem } = before;
      // The second: cut in between, here or below.
      const ways = [settled, certificate.fingerprint256];
      if (ending(certificate) > wall && ways.includes(present?.fingerprint256)) {
        ifRoom(() => {
          place(cert, pem, cert);
          place(originFile(cert), origin, source);
        });
        continue;
      }
    }
    const stays =
      present?.publicKey.equals(brought.publicKey) === true && ending(present) >= ending(brought);
    if (stays) {
      // Of a version that did not note it.
      if (settled === undefined) ifRoom(() => place(originFile(cert), origin, cert));
      continue;
    }
    if (settled !== undefined && settled !== origin && present !== undefined) {
      place(beforeFile(cert), `${settled}\n${textOf(cert) ?? ""}`, cert);
    }
    place(originFile(cert), origin, source);
    place(cert, read(source), source);
  }
}

/** Names which of `first` the certificate is, or was renewed from: by its fingerprint. */
const originFile = (cert: string) => `${cert}.first`;
/** The one that gave way: what it came from, and its chain. */
const beforeFile = (cert: string) => `${cert}.before`;

interface Before {
  readonly origin: string;
  readonly pem: string;
  readonly certificate: X509Certificate;
}

function beforeOf(cert: string): Before | undefined {
  const certificate = firstOf(beforeFile(cert));
  const text = textOf(beforeFile(cert));
  if (certificate === undefined || text === undefined) return undefined;
  const end = text.indexOf("\n");
  return { origin: text.slice(0, end), pem: text.slice(end + 1), certificate };
}

/** A full disk is no reason not to start where there is a certificate: it is done at another start. */
function ifRoom(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}

/** Without those about certificates that the first start will copy: before it, they are not missed. */
export function withoutFirst(problems: readonly Problem[], tables: RenewalTables): Problem[] {
  const first = tables.est?.first;
  if (first === undefined) return [...problems];
  const coming = new Set(
    tables.sets.flatMap(({ for: name, cert }) => {
      const isComing =
        cert !== undefined && !existsSync(cert) && existsSync(join(first, basename(cert)));
      return isComing ? [`${name}.cert`] : [];
    }),
  );
  return problems.filter(({ key }) => !coming.has(key));
}

/** undefined where there is none that can be read: who needs it says why. */
function firstOf(file: string): X509Certificate | undefined {
  try {
    return readCertificates(readRegular(file))[0];
  } catch (error) {
    if (error instanceof PemError || errorCode(error) !== undefined) return undefined;
    throw error;
  }
}

function textOf(file: string): string | undefined {
  try {
    return readRegular(file).toString("utf8");
  } catch {
    return undefined;
  }
}

/** @throws Fault `state.io` */
function read(file: string): Buffer {
  try {
    return readRegular(file);
  } catch (error) {
    throw notCopied(error, file, file);
  }
}

/** Replaces it in one step: one that is cut off is written again at the next start. @throws Fault `state.io` */
function place(to: string, content: string | Buffer, source: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    writeFileSync(`${to}.new`, content, { mode: 0o600, flush: true });
    renameSync(`${to}.new`, to);
  } catch (error) {
    throw notCopied(error, to, source);
  }
}

function notCopied(error: unknown, file: string, source: string): Fault {
  const facts = { file, source, code: errorCode(error) ?? "unknown" };
  return new Fault("state.io", "the first certificate cannot be copied", facts);
}
