/** What a pair gets by its class of service, at this hour (IMDA RS QKDN §7.3). */
import { isWithin } from "./hours.ts";
import type { ClassPolicy } from "./network.ts";

/** A class as it is applied now. */
export interface ClassTerms {
  readonly name: string;
  readonly weight: number;
  /** bit/s */
  readonly guaranteed: number;
  readonly priority: number;
  readonly most: number;
  /** It may use what is reserved. */
  readonly reserved: boolean;
  /** Not at this hour. */
  readonly isClosed: boolean;
}

const plain: ClassTerms = {
  name: "",
  weight: 1,
  guaranteed: 0,
  priority: 0,
  most: Number.POSITIVE_INFINITY,
  reserved: false,
  isClosed: false,
};

export class Classes {
  readonly #classes: ReadonlyMap<string, ClassPolicy>;
  readonly #default: string | undefined;

  constructor(classes: readonly ClassPolicy[], defaultClass?: string) {
    this.#classes = new Map(classes.map((one) => [one.name, one]));
    this.#default = defaultClass;
  }

  /** It is configured. */
  has(name: string): boolean {
    return this.#classes.has(name);
  }

  /**
   * @param names of the pair and of applications that use it: that of the highest priority counts
   * @param wall ms since 1970 UTC
   */
  terms(names: Iterable<string | undefined>, wall: number): ClassTerms {
    let best: ClassTerms | undefined;
    for (const name of names) {
      if (name === undefined) continue;
      const one = this.#now(name, wall);
      if (best === undefined || isBetter(one, best)) best = one;
    }
    return best ?? this.#fallback(wall);
  }

  /** It is served at this hour. @param name undefined: the default class */
  isOpen(name: string | undefined, wall: number): boolean {
    return !this.terms([name], wall).isClosed;
  }

  #fallback(wall: number): ClassTerms {
    return this.#default === undefined ? plain : this.#now(this.#default, wall);
  }

  #now(name: string, wall: number): ClassTerms {
    const one = this.#classes.get(name);
    if (one === undefined) return { ...plain, name };
    const holds = one.hours === undefined || isWithin(one.hours, wall);
    if (!holds) return { ...plain, name, isClosed: one.onlyInHours === true };
    const { weight = 1, guaranteed = 0, priority = 0, reserved = false } = one;
    const { most = Number.POSITIVE_INFINITY } = one;
    return { name, weight, guaranteed, priority, most, reserved, isClosed: false };
  }
}

function isBetter(one: ClassTerms, other: ClassTerms): boolean {
  if (one.isClosed !== other.isClosed) return other.isClosed;
  return one.priority !== other.priority
    ? one.priority > other.priority
    : one.weight > other.weight;
}
