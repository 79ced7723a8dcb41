/**
 * Who may take part (IMDA RS QKDN §7.4): key managers and applications that are configured, registered at run time, or
 * taken back. What was taken back is refused whatever the configuration says.
 */
import type { AccessPolicy, ApplicationPolicy, NodePolicy } from "../policy/network.ts";

export interface Registered {
  readonly state: "registered" | "revoked";
  readonly by: string;
  /** ms since 1970 UTC */
  readonly at: number;
  /** Of an application: the KM that serves it. */
  readonly km?: string;
  readonly class?: string;
}

/** Applications of all key managers that are known by their reports; one that several tell of counts for each. */
const mostReported = 100_000;

export type ComponentKind = "km" | "application";

/** `km:ID`, `application:ID`. */
export function componentName(kind: ComponentKind, id: string): string {
  return `${kind}:${id}`;
}

export class Repository {
  readonly #policy: AccessPolicy;
  readonly #kms: ReadonlySet<string>;
  /** KM IDs by their names, small. */
  readonly #names = new Map<string, string>();
  readonly #applications: ReadonlyMap<string, ApplicationPolicy>;
  #atRunTime: Map<string, Registered>;
  /** The KMs that report an application, by its ID: it is the first one's, and the next one's when that gives it up. */
  readonly #reported = new Map<string, string[]>();
  #told = 0;

  /** @param nodes that are configured @param saved by {@link componentName} */
  constructor(
    policy: AccessPolicy,
    nodes: readonly Pick<NodePolicy, "km" | "names">[],
    saved: ReadonlyMap<string, Registered>,
  ) {
    this.#policy = policy;
    this.#kms = new Set(nodes.map(({ km }) => km));
    for (const { km, names = [] } of nodes) {
      for (const name of [km, ...names]) this.#names.set(name.toLowerCase(), km);
    }
    this.#applications = new Map(policy.applications.map((one) => [one.id, one]));
    this.#atRunTime = new Map(saved);
  }

  mayAttach(km: string): boolean {
    const known = this.#atRunTime.get(componentName("km", km));
    if (known !== undefined) return known.state === "registered";
    return this.#policy.openToKms || this.#kms.has(km);
  }

  /** A KM goes by this name: by its ID, or in its certificate. @param except the KM that may */
  isKmName(name: string, except?: string): boolean {
    const wanted = name.toLowerCase();
    const known = this.#names.get(wanted);
    if (known !== undefined && known !== except) return true;
    if (except?.toLowerCase() === wanted) return false;
    return [...this.#atRunTime.keys()].some((key) => key.toLowerCase() === `km:${wanted}`);
  }

  /** It is configured, told of by a KM, or was registered or taken back before. */
  isKnown(kind: ComponentKind, id: string): boolean {
    if (this.#atRunTime.has(componentName(kind, id))) return true;
    return kind === "km" ? this.#kms.has(id) : this.#applications.has(id) || this.#reported.has(id);
  }

  /** An application that may be served; undefined: it is not known, or taken back. */
  application(id: string): ApplicationPolicy | undefined {
    const known = this.#atRunTime.get(componentName("application", id));
    if (known?.state === "revoked") return undefined;
    const configured = this.#applications.get(id);
    const kms = this.#reported.get(id) ?? [];
    // One that was taken back serves none, also of those that the configuration gives it.
    const reported = kms.find((km) => this.mayAttach(km));
    if (known === undefined && configured === undefined) {
      const isOpen = this.#policy.openToApplications && reported !== undefined;
      return isOpen ? { id, km: reported } : undefined;
    }
    const km = known?.km ?? configured?.km ?? reported;
    const name = known?.class ?? configured?.class;
    return {
      ...configured,
      id,
      ...(km !== undefined && { km }),
      ...(name !== undefined && { class: name }),
    };
  }

  /** One may talk to the other. */
  mayTalk(source: ApplicationPolicy, destination: string): boolean {
    return source.peers === undefined || source.peers.includes(destination);
  }

  /** A KM tells which applications it serves. */
  served(km: string, ids: Iterable<string>): void {
    for (const id of ids) {
      const kms = this.#reported.get(id) ?? [];
      if (kms.includes(km)) continue;
      if (this.#told >= mostReported) return;
      this.#told++;
      kms.push(km);
      this.#reported.set(id, kms);
    }
  }

  /** A KM does not serve these any more. */
  notServed(km: string, ids: Iterable<string>): void {
    for (const id of ids) {
      const kms = this.#reported.get(id) ?? [];
      const at = kms.indexOf(km);
      if (at < 0) continue;
      this.#told--;
      kms.splice(at, 1);
      if (kms.length === 0) this.#reported.delete(id);
    }
  }

  set(kind: ComponentKind, id: string, entry: Registered): void {
    this.#atRunTime.set(componentName(kind, id), entry);
  }

  /** All that was registered or taken back at run time, by {@link componentName}: another controller leads, and says so. */
  replace(all: ReadonlyMap<string, Registered>): void {
    this.#atRunTime = new Map(all);
  }

  /** What was registered or taken back at run time. */
  entries(): ReadonlyMap<string, Registered> {
    return this.#atRunTime;
  }
}
