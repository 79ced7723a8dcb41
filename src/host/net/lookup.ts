/**
 * Addresses of names, for every connection of the node. The system's own lookup (getaddrinfo) holds a
 * thread until it is over, of which two are for lookups: two names that no DNS server answers for keep
 * all others waiting. Here the DNS is asked without threads, and what was known before is used meanwhile.
 */
import { Resolver, lookup as systemLookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type Clock, delay, systemClock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { asciiHost } from "./host.ts";
import { addressesIn, candidates, hasOtherSources } from "./name-files.ts";

/** The first question to each DNS server, ms; the second waits about twice as long. */
const questionMs = 700;
const questions = 2;
/** A lookup is given up after this, ms, however many servers there are. */
const lookupMs = 10_000;
/** IPv4 and IPv6 are asked for at once; once there is one, the other has this long, ms. */
const otherFamilyMs = 500;
/** A lookup that takes longer than this, ms, is not waited for if the name had addresses before. */
const knownAfterMs = 500;
/** Addresses of before are used this long, ms. */
const rememberedMs = 24 * 3_600_000;
/** More names than a configuration has are not remembered. */
const mostNames = 256;

/** `ENOTFOUND`: there is no such name. `EAI_AGAIN`: that could not be found out. */
export class NameError extends Error {
  override readonly name = "NameError";
  readonly code: "ENOTFOUND" | "EAI_AGAIN";

  constructor(code: "ENOTFOUND" | "EAI_AGAIN") {
    super(code);
    this.code = code;
  }
}

export interface NameSources {
  /** Paths of the system's files. */
  readonly hosts: string;
  readonly resolv: string;
  readonly nsswitch: string;
  /** `ADDRESS:PORT` of DNS servers; undefined: those of the system. */
  readonly servers?: readonly string[];
  readonly clock: Clock;
  /** The system's own lookup, as a last resort. */
  readonly system: (name: string) => Promise<readonly string[]>;
}

interface Known {
  readonly addresses: readonly string[];
  readonly at: number;
}

export class Names {
  readonly #sources: NameSources;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();
  /** Addresses that were connected to last, by name and port: not every port is there on each of them. */
  readonly #good = new Map<string, string>();
  /** Name, port and address of what came to nothing once it was connected: in the order in which that was. */
  readonly #vain = new Map<string, true>();
  /** The system's lookups, one at a time: each may hold a thread for a minute. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(sources: NameSources) {
    this.#sources = sources;
  }

  /**
   * Addresses of a name, the one that was connected to last first, those that were {@link vain} last. A lookup without an answer takes as
   * long as {@link lookupMs}: the caller has a deadline of its own.
   * @param host a name or an address @param port that is to be connected to @throws NameError
   */
  async addresses(host: string, port = 0): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const name = asciiHost(host).toLowerCase();
    const good = this.#good.get(`${host} ${port}`);
    const found = await this.#find(name);
    const vain = [...this.#vain.keys()];
    const rank = (one: string) => (one === good ? -2 : vain.indexOf(`${host} ${port} ${one}`));
    return found.toSorted((a, b) => rank(a) - rank(b));
  }

  /** A connection was made to this address of the name. */
  worked(host: string, port: number, address: string): void {
    bounded(this.#good, `${host} ${port}`, address);
  }

  /** What answers there is not what was wanted, or does not answer: other addresses of the name come first. */
  vain(host: string, port: number, address: string): void {
    if (this.#good.get(`${host} ${port}`) === address) this.#good.delete(`${host} ${port}`);
    bounded(this.#vain, `${host} ${port} ${address}`, true);
  }

  /** The address that was connected to last; the host itself if there is none. */
  lastGood(host: string, port: number): string {
    return this.#good.get(`${host} ${port}`) ?? host;
  }

  async #find(name: string): Promise<readonly string[]> {
    const plain = name.replace(/\.$/, "");
    const own = addressesIn(read(this.#sources.hosts), plain);
    if (own.length > 0) return own;
    // RFC 6761 §6.3: no server is asked for it.
    if (plain === "localhost" || plain.endsWith(".localhost")) return ["::1", "127.0.0.1"];
    const { clock } = this.#sources;
    const known = this.#known.get(name);
    const answer = this.#ask(name);
    if (known === undefined || clock.now() - known.at > rememberedMs) return answer;
    const settled = answer.catch((error: unknown) => {
      // An answer, too: what was known before is not so any more.
      if (errorCode(error) === "ENOTFOUND") throw error;
      return known.addresses;
    });
    return Promise.race([settled, delay(clock, knownAfterMs).then(() => known.addresses)]);
  }

  /** One lookup serves all callers of that time; a late answer is known at the next attempt. */
  #ask(name: string): Promise<readonly string[]> {
    const before = this.#asking.get(name);
    if (before !== undefined) return before;
    const asked = this.#lookUp(name)
      .then((addresses) => {
        bounded(this.#known, name, { addresses, at: this.#sources.clock.now() });
        return addresses;
      })
      .catch((error: unknown) => {
        if (errorCode(error) === "ENOTFOUND") this.#known.delete(name);
        throw error;
      })
      .finally(() => this.#asking.delete(name));
    // A caller that goes on with known addresses does not hear of a failure.
    asked.catch(() => {});
    this.#asking.set(name, asked);
    return asked;
  }

  async #lookUp(name: string): Promise<readonly string[]> {
    const { resolv, nsswitch } = this.#sources;
    let why: NameError = new NameError("ENOTFOUND");
    for (const one of candidates(read(resolv), name)) {
      try {
        return await this.#askServers(one);
      } catch (error) {
        why = error as NameError;
        if (why.code !== "ENOTFOUND") break;
      }
    }
    if (why.code !== "ENOTFOUND" && !hasOtherSources(read(nsswitch))) throw why;
    return this.#askSystem(name).catch(() => {
      throw why;
    });
  }

  async #askServers(name: string): Promise<readonly string[]> {
    const { clock, servers } = this.#sources;
    // A new one each time: it reads which servers there are.
    const resolver = new Resolver({ timeout: questionMs, tries: questions });
    if (servers !== undefined) resolver.setServers(servers);
    const timer = clock.after(lookupMs, () => resolver.cancel());
    const families = [resolver.resolve6(name), resolver.resolve4(name)] as const;
    try {
      const first = await Promise.any(families).catch(() => undefined);
      if (first !== undefined) {
        const enough = delay(clock, otherFamilyMs).then(() => []);
        const lists = families.map((one) => Promise.race([one.catch(() => []), enough]));
        return alternating(await Promise.all(lists));
      }
      const codes = await Promise.all(families.map((one) => one.then(() => "", codeOf)));
      const none = codes.every((code) => code === "ENOTFOUND" || code === "ENODATA");
      throw new NameError(none ? "ENOTFOUND" : "EAI_AGAIN");
    } finally {
      timer.cancel();
      resolver.cancel();
    }
  }

  #askSystem(name: string): Promise<readonly string[]> {
    const asked = this.#queue.then(() => this.#sources.system(name));
    this.#queue = asked.catch(() => {});
    return asked;
  }
}

function codeOf(error: unknown): string {
  return errorCode(error) ?? "";
}

/** One of each family in turn, IPv6 first (RFC 8305 §4). */
function alternating([six = [], four = []]: readonly (readonly string[])[]): string[] {
  const longest = Math.max(six.length, four.length);
  return Array.from({ length: longest }, (_, i) => [six[i] ?? [], four[i] ?? []]).flat(2);
}

/** A file that is not there says nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function bounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest = key] = map.keys();
  if (map.size > mostNames) map.delete(oldest);
}

/** Names as this machine knows them. */
export const names = new Names({
  hosts: "/etc/hosts",
  resolv: "/etc/resolv.conf",
  nsswitch: "/etc/nsswitch.conf",
  clock: systemClock,
  system: async (name) => {
    const found = await systemLookup(name, { all: true });
    return found.map(({ address }) => address);
  },
});
