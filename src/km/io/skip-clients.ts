/**
 * Who may connect to the door of SKIP: identities of TLS-PSK, each with its key and the application that it is.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { keyOfHex, withSecretFile } from "../../host/disk/secret-file.ts";
import { identityForm } from "../../wire/skip/names.ts";
import type { Application, ApplicationTable } from "../applications/table.ts";

/** Bytes of a pre-shared key: of 128 bits at least (RFC 9257 §4), and what every TLS library takes. */
const least = 16;
const most = 64;
const named = { code: "config.file", what: "the pre-shared key" } as const;

interface Client {
  readonly application: string;
  /** The same memory for as long as the key is the same. */
  readonly psk: Buffer;
}

/** @returns the key @throws Fault `config.file` */
export function readPsk(file: string): Buffer {
  return withSecretFile(file, 4 * most, named, (bytes) => {
    const key = keyOfHex(bytes);
    if (key !== undefined && key.length >= least && key.length <= most) return key;
    key?.fill(0);
    const what = `the pre-shared key is not of ${2 * least} to ${2 * most} hexadecimal digits`;
    throw new Fault("config.file", what, { file });
  });
}

export class SkipClients {
  readonly #me: string;
  readonly #table: () => ApplicationTable;
  readonly #chance = randomBytes(32);
  #byIdentity = new Map<string, Client>();

  /** @param me ID of this KM */
  constructor(me: string, table: () => ApplicationTable) {
    this.#me = me;
    this.#table = table;
  }

  /**
   * Reads the keys of all applications of this KM that ask over SKIP. A key that cannot be read stays as it was.
   * @returns why those cannot be read
   */
  load(): Fault[] {
    const faults: Fault[] = [];
    const found = new Map<string, Client>();
    for (const { id, km, skip } of this.#table().all) {
      if (km !== this.#me || skip === undefined) continue;
      const before = this.#byIdentity.get(skip.identity);
      try {
        const psk = readPsk(skip.pskFile);
        const isSame = before?.psk.length === psk.length && timingSafeEqual(before.psk, psk);
        found.set(skip.identity, { application: id, psk: isSame ? before.psk : psk });
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        faults.push(error);
        if (before !== undefined) found.set(skip.identity, before);
      }
    }
    this.#byIdentity = found;
    return faults;
  }

  knows(identity: string): boolean {
    return this.#byIdentity.has(identity);
  }

  /**
   * The key of an identity. One that is not known has a key, too, which no client has: its handshake fails as with a
   * wrong key, and as late.
   * @returns null for what can be no identity, but the beginning of a ticket: the client shows its identity next
   */
  pskOf(identity: string): Buffer | null {
    if (!identityForm.test(identity)) return null;
    const none = createHmac("sha256", this.#chance).update(identity).digest();
    return this.#byIdentity.get(identity)?.psk ?? none;
  }

  /** @returns undefined if the application of this identity is not to be asked for, or by another */
  application(identity: string): Application | undefined {
    const client = this.#byIdentity.get(identity);
    const application = client && this.#table().get(client.application);
    const isIt = application?.skip?.identity === identity && application.km === this.#me;
    return isIt ? application : undefined;
  }
}
