/**
 * The next hop to each KM, as a controller said it (Q.4164 §7.1): asked for once at a time, used for a while, and while
 * no controller answers used on. Pure.
 */

export interface NextHopsParts {
  /** Monotonic, ms. */
  readonly now: () => number;
  /** KM IDs, the best first; none: no controller knows one, or none answers. Never rejects. */
  readonly ask: (source: string, destination: string) => Promise<readonly string[]>;
}

/** What was said is asked for again after this, ms. */
const freshMs = 5_000;
/** Ways that are remembered: the oldest go. */
const mostKnown = 4_096;

interface Known {
  readonly hops: readonly string[];
  readonly at: number;
}

export class NextHops {
  readonly #parts: NextHopsParts;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<void>>();

  constructor(parts: NextHopsParts) {
    this.#parts = parts;
  }

  /** @param path KM IDs so far, with the destination at its end @param done once: undefined if there is none */
  after(path: readonly string[], done: (next: string | undefined) => void): void {
    const [source = ""] = path;
    const destination = path.at(-1) ?? "";
    const name = `${source}\0${destination}`;
    const choose = () => {
      const hops = this.#known.get(name)?.hops ?? [];
      done(hops.find((hop) => hop === destination || !path.includes(hop)));
    };
    const known = this.#known.get(name);
    if (known !== undefined && this.#parts.now() - known.at < freshMs) return choose();
    const asking = this.#asking.get(name) ?? this.#ask(name, source, destination);
    asking.then(choose);
  }

  /** What failed is asked for again before it is tried once more. */
  failed(path: readonly string[]): void {
    const name = `${path[0]}\0${path.at(-1)}`;
    const known = this.#known.get(name);
    if (known !== undefined) this.#known.set(name, { ...known, at: Number.NEGATIVE_INFINITY });
  }

  async #ask(name: string, source: string, destination: string): Promise<void> {
    const asked = this.#learn(name, source, destination);
    this.#asking.set(name, asked);
    await asked.finally(() => this.#asking.delete(name));
  }

  async #learn(name: string, source: string, destination: string): Promise<void> {
    const hops = await this.#parts.ask(source, destination);
    if (hops.length === 0) return;
    this.#known.delete(name);
    this.#known.set(name, { hops, at: this.#parts.now() });
    const [oldest] = this.#known.keys();
    if (this.#known.size > mostKnown && oldest !== undefined) this.#known.delete(oldest);
  }
}
