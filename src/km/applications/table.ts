/**
 * Who may have keys with whom: the applications (SAEs of ETSI GS QKD 014) that this KM knows, with the KM that each
 * is connected to, and the pairs that may share keys. Pure.
 */
import { hash } from "node:crypto";
import { nameKey } from "../../host/tls/names.ts";
import { setOf } from "../store/sae-set.ts";

/** An application, as the configuration has it. */
export interface Application {
  /** SAE ID. */
  readonly id: string;
  /** KM ID of the KM that it asks. */
  readonly km: string;
  /** Names in its certificate. */
  readonly names: readonly string[];
  /** SAE IDs of those that it may share keys with, told here or there. */
  readonly partners: readonly string[];
  /** Keys a second in the long run, and at once. */
  readonly rate: { readonly keysPerS: number; readonly burst: number };
  /** Keys of a link that it may hold, given to it and not fetched by its partners; undefined: any number. */
  readonly outstandingKeys?: number | undefined;
  /** The same in bits of the link's stock. */
  readonly outstandingBits?: number | undefined;
  /** The controller is asked for a session before it is given keys. */
  readonly sessions?: boolean | undefined;
  /** Its system ID in SKIP; default: its SAE ID. */
  readonly systemId?: string | undefined;
  /** How it shows who it is over SKIP, if it may ask over it. */
  readonly skip?: SkipIdentity | undefined;
}

/** An identity of TLS-PSK, and the file of its key: hexadecimal digits. */
export interface SkipIdentity {
  readonly identity: string;
  readonly pskFile: string;
}

export class ApplicationTable {
  readonly #me: string;
  readonly #byId = new Map<string, Application>();
  readonly #byName = new Map<string, Application>();
  /** Who may share keys with whom, both ways. */
  readonly #partners = new Map<string, Set<string>>();
  /** By KM: its applications that may share keys with those of this one, each pair as a text. */
  readonly #shared = new Map<string, Set<string>>();
  readonly #digests = new Map<string, Buffer>();

  /** @param me ID of this KM */
  constructor(me: string, applications: readonly Application[]) {
    this.#me = me;
    for (const one of applications) {
      this.#byId.set(one.id, one);
      for (const partner of one.partners) {
        this.#partnersOf(one.id).add(partner);
        this.#partnersOf(partner).add(one.id);
      }
      if (one.km !== me) continue;
      for (const name of one.names) this.#byName.set(nameKey(name), one);
    }
    for (const one of applications) for (const other of one.partners) this.#share(one, other);
  }

  #partnersOf(id: string): Set<string> {
    const known = this.#partners.get(id) ?? new Set();
    this.#partners.set(id, known);
    return known;
  }

  /** Pairs of this KM and another are kept: with a thousand of them, to look for them each time takes a second. */
  #share(one: Application, otherId: string): void {
    const other = this.#byId.get(otherId);
    if (other === undefined) return;
    const [own, far] = one.km === this.#me ? [one, other] : [other, one];
    if (own.km !== this.#me || far.km === this.#me) return;
    const shared = this.#shared.get(far.km) ?? new Set();
    this.#shared.set(far.km, shared);
    shared.add(JSON.stringify([own, far].map(({ id, km }) => [id, km]).toSorted()));
  }

  get all(): Iterable<Application> {
    return this.#byId.values();
  }

  get(id: string): Application | undefined {
    return this.#byId.get(id);
  }

  /** The application of this KM that a certificate with these names is of. */
  certified(names: readonly string[]): Application | undefined {
    const found = new Set(names.flatMap((name) => this.#byName.get(nameKey(name)) ?? []));
    // A certificate that is of two is of neither.
    return found.size === 1 ? [...found][0] : undefined;
  }

  /** Whether an application of this KM may share keys with one of another. */
  hasPairs(peer: string): boolean {
    return this.#shared.has(peer);
  }

  mayShare(one: string, other: string): boolean {
    return this.#partners.get(one)?.has(other) ?? false;
  }

  /**
   * Whether a key that another KM owns may be bound here for this use.
   * @param use undefined: it is not known yet
   */
  mayBind(peer: string, use: string | undefined): boolean {
    if (use === undefined) return true;
    const [master, ...slaves] = setOf(use) ?? [];
    if (master === undefined || this.get(master)?.km !== peer) return false;
    return slaves.every((slave) => {
      return this.get(slave)?.km === this.#me && this.mayShare(master, slave);
    });
  }

  /** SHA-256 over the pairs of applications at this KM and at another: the same at both if both tables agree. */
  digest(peer: string): Buffer {
    const known = this.#digests.get(peer);
    if (known !== undefined) return known;
    const pairs = [...(this.#shared.get(peer) ?? [])];
    const digest = hash("sha256", pairs.toSorted().join("\n"), "buffer");
    this.#digests.set(peer, digest);
    return digest;
  }
}
