/** The KMs of a story: boxes that keep what they said yes to, behind connections that come and go. */
import type { Custody } from "../../src/node/custody/custody.ts";
import type { KeyReply, Sending } from "../../src/node/keys/ports.ts";
import { Km } from "../rig/custody-bench.ts";
import type { Configuration, Name } from "./custody-draw.ts";
import type { Oracle } from "./oracle.ts";

interface Link {
  readonly km: Km;
  readonly box: number;
}

/** By these a KM says that it does not have the key. */
const refusals = ["internal_error", "hash_mismatch"];

export class SimKms {
  readonly #oracle: Oracle;
  readonly #draw: () => number;
  readonly #mark: (name: string) => void;
  readonly #links = new Map<Name, Link>();

  constructor(oracle: Oracle, draw: () => number, mark: (name: string) => void) {
    this.#oracle = oracle;
    this.#draw = draw;
    this.#mark = mark;
  }

  isUp(name: Name): boolean {
    return this.#links.has(name);
  }

  connect(custody: Custody, { name, box }: Configuration["kms"][number]): void {
    if (this.#links.has(name)) return;
    const km = new Km(custody, 4);
    km.onSupply = (key) => this.#oracle.written(key, box);
    this.#links.set(name, { km, box });
    custody.kmUp(km, name);
  }

  /** One of them answers for the oldest key that it was given. */
  answer(wanted: string): void {
    const links = [...this.#links.values()];
    const link = links[Math.floor(this.#draw() * links.length)];
    if (link !== undefined) this.#answerOne(link, wanted);
  }

  answerAll(): void {
    for (const link of this.#links.values()) {
      for (let i = link.km.outstanding.length; i > 0; i--) this.#answerOne(link, "success");
    }
  }

  /** A connection breaks; the KM may have stored what was on its way. */
  loseOne(custody: Custody): void {
    const names = [...this.#links.keys()];
    const name = names[Math.floor(this.#draw() * names.length)];
    if (name !== undefined) this.#lose(custody, name);
  }

  loseAll(custody: Custody): void {
    for (const name of [...this.#links.keys()]) this.#lose(custody, name);
  }

  /** An answer to a request is sent, not sent, or sent in part: of that the KM may have some keys. */
  given(reply: KeyReply, box: number, how: Sending): void {
    for (const key of how === "unsent" ? [] : reply.keys) {
      const content = this.#oracle.written(key, box);
      if (how === "sent" || this.#draw() < 0.5) this.#oracle.stored(key.id, content, box);
    }
    reply[how]?.();
  }

  #answerOne({ km, box }: Link, wanted: string): void {
    const one = km.outstanding[0];
    if (one === undefined) return;
    // A KM that has the key says so (Kq-1: a repeat is `success`).
    const response = this.#oracle.hasKey(one.content, box) ? "success" : wanted;
    if (response === "success") this.#oracle.stored(one.id, one.content, box);
    else if (refusals.includes(response)) this.#oracle.refused(one.content, box);
    this.#mark(response);
    km.answer(response);
  }

  #lose(custody: Custody, name: Name): void {
    const { km, box } = this.#links.get(name) as Link;
    for (const { id, content } of km.outstanding) {
      if (this.#draw() < 0.5) this.#oracle.stored(id, content, box);
    }
    this.#links.delete(name);
    custody.kmDown(name);
  }
}
