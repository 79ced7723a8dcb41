/**
 * Renews certificates while a daemon runs, by EST (RFC 7030): in time, one after the other, with the key that they
 * have. Connections take the new ones as they take any that a person puts there.
 */

import type { KeyObject, X509Certificate } from "node:crypto";
import { type Clock, clockProblem, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import { firstLine } from "../../host/config/password.ts";
import { type FileSystem, replaceFile } from "../../host/disk/files.ts";
import { readRegularText } from "../../host/disk/regular-file.ts";
import { askEst, type EstAnswer, type EstQuestion, type EstServer } from "../../host/est/client.ts";
import { requestLike } from "../../host/est/request.ts";
import { ending } from "../../host/tls/chain.ts";
import { PemError, readCertificates, readPrivateKey } from "../../host/tls/pem.ts";
import type { EstConfig, Renewable } from "./config.ts";
import { dueAt, pemOf, successor } from "./due.ts";

export interface RenewalParts {
  readonly est: EstConfig;
  readonly certificates: readonly Renewable[];
  /** @param why it could not be renewed; undefined: it was, or need not be @param name as in {@link Renewable} */
  readonly tell: (name: string, why: string | undefined) => void;
  /** Files are others: they are to be read anew. */
  readonly onRenewed: () => void;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Default: a server of EST. */
  readonly ask?: typeof askEst;
}

/** How often it looks whether one is due, ms. */
export const lookEvery = 60_000;
/** A server that fails is asked again, ms: a third of a certificate's life is left for it. */
const retry = { firstMs: 60_000, maxMs: 3_600_000 } as const;

/** What is on disk, read anew: a person may have exchanged it. */
interface Present {
  readonly certificate: X509Certificate;
  readonly chain: readonly X509Certificate[];
  readonly pem: string;
}

/** A renewal that has begun. */
interface Begun {
  /** The certificate that is renewed, by its fingerprint. */
  readonly of: string;
  /** DER: the same request until there is an answer, by which a server knows what it has put off (RFC 7030 §4.2.3). */
  readonly csr: Buffer;
  /** When the server put it off first, ms since 1970 UTC. */
  putOff?: number;
  /** What came and is not on disk yet. The server may have taken the one before back: no other one is asked for. */
  came?: readonly X509Certificate[];
}

/** When one may be tried again that failed or was put off. */
interface Wait {
  /** Of which certificate, by its fingerprint; undefined: it could not be read. */
  readonly of: string | undefined;
  /** On the monotonic clock. */
  readonly at: number;
  /** The waits after that. */
  readonly next: Iterator<number>;
}

export class Renewal {
  readonly #parts: RenewalParts;
  /** By the file of the certificate. */
  readonly #begun = new Map<string, Begun>();
  readonly #stopped = new AbortController();
  readonly #waits = new Map<string, Wait>();
  #timer: Timer | undefined;
  #busy: Promise<void> | undefined;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  start(): void {
    const look = () => {
      this.#busy ??= this.look().finally(() => {
        this.#busy = undefined;
      });
    };
    this.#timer = every(this.#parts.clock, lookEvery, look);
    look();
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopped.abort();
    await this.#busy;
  }

  /** Renews what is due. Never rejects. */
  async look(): Promise<void> {
    const { certificates, clock } = this.#parts;
    // By a clock that is wrong all of them would be due, or none.
    if (clockProblem(clock.wall()) !== undefined) return;
    for (const one of certificates) {
      if (this.#stopped.signal.aborted) return;
      await this.#lookAt(one);
    }
  }

  async #lookAt(one: Renewable): Promise<void> {
    const { clock, est, tell, log } = this.#parts;
    const present = tried(one.cert);
    const of = present instanceof Error ? undefined : present.certificate.fingerprint256;
    const wait = this.#waits.get(one.cert);
    // One that a person has put there meanwhile waits for nothing.
    if (wait !== undefined && wait.of !== of) this.#waits.delete(one.cert);
    else if (wait !== undefined && clock.now() < wait.at) return;
    try {
      if (present instanceof Error) throw present;
      if (clock.wall() >= dueAt(present.certificate, est.at)) {
        const again = await this.#renew(one, present);
        if (again !== undefined) {
          log.info("certificate is waited for", { for: one.for, again_ms: again });
          this.#waitFor(one, of, again);
          tell(one.for, putOff(this.#begun.get(one.cert)));
          return;
        }
      }
      this.#waits.delete(one.cert);
      tell(one.for, undefined);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      const why = describe(error);
      this.#waitFor(one, of);
      log.warn("certificate is not renewed", { for: one.for, reason: why });
      tell(one.for, why);
    }
  }

  #waitFor({ cert }: Renewable, of: string | undefined, ms?: number): void {
    const { clock, random } = this.#parts;
    const next = this.#waits.get(cert)?.next ?? backoff({ ...retry, random });
    this.#waits.set(cert, { of, at: clock.now() + (ms ?? next.next().value), next });
  }

  /** @returns ms after which it goes on: the server puts it off, or the new one is not valid yet @throws Fault */
  async #renew(one: Renewable, present: Present): Promise<number | undefined> {
    const { clock, files, log, onRenewed } = this.#parts;
    const keyText = readText(one.key);
    const key = keyOf(keyText, one.key);
    if (!present.certificate.checkPrivateKey(key)) {
      throw new Fault("est", "the private key belongs to another certificate", { file: one.key });
    }
    const begun = this.#begin(one, present, key);
    if (begun.came === undefined) {
      const again = await this.#enroll(one, present, keyText, begun);
      if (again !== undefined) return again;
    }
    const [own] = begun.came as readonly [X509Certificate];
    const now = clock.wall();
    const early = own.validFromDate.getTime() - now;
    // By a server's clock that is ahead of ours: peers would refuse it, and the present one is good.
    // It is looked at again soon: the clock may have been set back, and be set right again.
    if (early > 0 && now < ending(present.certificate)) return Math.min(early, lookEvery);
    await replaceFile(
      files,
      one.cert,
      Buffer.from(pemOf(begun.came as readonly X509Certificate[])),
    );
    this.#begun.delete(one.cert);
    const to = new Date(ending(own)).toISOString();
    log.info("certificate renewed", { for: one.for, file: one.cert, to });
    onRenewed();
    return undefined;
  }

  /** What has begun for this certificate, or begins now. @throws Fault */
  #begin({ cert }: Renewable, { certificate }: Present, key: KeyObject): Begun {
    const { fingerprint256: of } = certificate;
    const known = this.#begun.get(cert);
    const [came] = known?.came ?? [];
    const isOver = came !== undefined && ending(came) <= this.#parts.clock.wall();
    if (known?.of === of && !isOver) return known;
    const begun = { of, csr: requestLike(certificate, key) };
    this.#begun.set(cert, begun);
    return begun;
  }

  /** @returns ms after which the server wants to be asked again; undefined: one has come @throws Fault */
  async #enroll(
    one: Renewable,
    present: Present,
    keyText: string,
    begun: Begun,
  ): Promise<number | undefined> {
    const { clock } = this.#parts;
    const server = this.#server();
    const isOver = clock.wall() > ending(present.certificate);
    if (isOver && server.login === undefined) {
      // Nothing is left to prove by who asks.
      throw new Fault("est", "it has expired: bring a new one, or give [est] a username");
    }
    const own = isOver ? {} : { own: { cert: present.pem, key: keyText } };
    // Before the request: what cannot be put into a chain is not asked for.
    const cas = await this.#ask(server, { operation: "cacerts" });
    if ("againMs" in cas) return this.#later(cas.againMs, present, begun);
    const answer = await this.#ask(server, {
      operation: isOver ? "simpleenroll" : "simplereenroll",
      csr: begun.csr,
      ...own,
    });
    if ("againMs" in answer) return this.#later(answer.againMs, present, begun);
    // It was answered: another request is another one, if this certificate is not taken.
    this.#begun.delete(one.cert);
    const others = [...present.chain, ...cas.certificates, ...trusted(one.ca)];
    begun.came = successor(present.certificate, answer.certificates, others, clock.wall());
    this.#begun.set(one.cert, begun);
    return undefined;
  }

  /** @returns ms until the server is asked again: before what is left of the certificate is over */
  #later(againMs: number, { certificate }: Present, begun: Begun): number {
    const wall = this.#parts.clock.wall();
    begun.putOff ??= wall;
    const left = ending(certificate) - wall;
    return left <= 0 ? againMs : Math.min(againMs, Math.max(lookEvery, left / 2));
  }

  #ask(server: EstServer, question: EstQuestion): Promise<EstAnswer> {
    const { ask = askEst, clock } = this.#parts;
    return ask(server, question, { clock, signal: this.#stopped.signal });
  }

  #server(): EstServer {
    const { url, ca, username, password_file } = this.#parts.est;
    if (username === undefined || password_file === undefined) return { url, ca: readText(ca) };
    const login = { username, password: firstLine(readText(password_file)) };
    return { url, ca: readText(ca), login };
  }
}

function putOff(begun: Begun | undefined): string | undefined {
  if (begun?.putOff === undefined || begun.came !== undefined) return undefined;
  return `the CA has not decided since ${new Date(begun.putOff).toISOString()}: see whether it waits for an approval`;
}

function tried(file: string): Present | Error {
  try {
    return read(file);
  } catch (error) {
    return error as Error;
  }
}

/** @throws Fault `est` */
function read(file: string): Present {
  const pem = readText(file);
  try {
    const chain = readCertificates(Buffer.from(pem));
    return { certificate: chain[0] as X509Certificate, chain, pem };
  } catch (error) {
    throw unusable(error, file);
  }
}

function keyOf(text: string, file: string) {
  try {
    return readPrivateKey(Buffer.from(text));
  } catch (error) {
    throw unusable(error, file);
  }
}

/** CAs of the table: one of them may have issued what comes. */
function trusted(file: string | undefined): readonly X509Certificate[] {
  return file === undefined ? [] : read(file).chain;
}

function unusable(error: unknown, file: string): unknown {
  return error instanceof PemError ? new Fault("est", `a file ${error.message}`, { file }) : error;
}

/** @throws Fault `est` */
function readText(file: string): string {
  try {
    return readRegularText(file);
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    throw new Fault("est", "a file cannot be read", { file, code });
  }
}
