/** What must hold of a controller, whatever it says of itself. */
import type { ChangeStatus, PairStatus } from "../../../src/controller/model/status.ts";

export interface OracleWorld {
  now(): number;
  /** There is a fibre. */
  isEdge(a: string, b: string): boolean;
  /** Why relays may not go over a link, as the controller must know by now; undefined: they may. */
  badFor(a: string, b: string, ms: number): string | undefined;
  /** Something was wrong with a link of late. */
  wasTroubled(a: string, b: string): boolean;
}

/**
 * Changes of a pair while nothing happens: stock that was used up is still coming back. In a large network routes come to
 * rest in some rounds, one hold-down after the other; what goes to and fro changes twice as often within the time.
 */
const mostCalm = { small: 2, large: 4 } as const;
/** Key managers of a small one, at most. */
const small = 30;

export class Oracle {
  readonly broken: string[] = [];
  readonly #world: OracleWorld;
  readonly #holdDownMs: number;
  readonly #mostCalm: number;
  /** Last change of each pair's routes, by the controller that lives. */
  readonly #changed = new Map<string, number>();
  /** Changes of each pair while nothing happens. */
  readonly #calm = new Map<string, number>();
  /** Changes that nothing forced. */
  free = 0;
  forced = 0;

  /** @param kms key managers of the network */
  constructor(world: OracleWorld, holdDownMs: number, kms: number) {
    this.#world = world;
    this.#holdDownMs = holdDownMs;
    this.#mostCalm = kms <= small ? mostCalm.small : mostCalm.large;
  }

  bad(rule: string, what: string): void {
    if (this.broken.length < 20) this.broken.push(`${rule} at ${this.#world.now()}: ${what}`);
  }

  /** A route that was given, both ends included. */
  route(route: readonly string[], from: string, to: string): void {
    const { isEdge, badFor } = this.#world;
    const text = route.join(" ");
    if (route[0] !== from || route.at(-1) !== to) this.bad("ends", text);
    if (new Set(route).size < route.length) this.bad("loop", text);
    for (let i = 1; i < route.length; i++) {
      const [a, b] = [route[i - 1] as string, route[i] as string];
      if (!isEdge(a, b)) this.bad("no link", text);
      const why = badFor(a, b, 2_000);
      if (why !== undefined) this.bad("bad link", `${text}: ${a} ${b} ${why}`);
    }
  }

  /** Another controller begins: it knows nothing of the changes before. */
  controllerBegins(): void {
    this.#changed.clear();
  }

  /** @param isCalm nothing has happened for long */
  told({ kind, object, text }: ChangeStatus, isCalm: boolean): void {
    if (kind !== "reroute") return;
    const [, before = ""] = /, before (.*): /.exec(text) ?? [];
    const routes = before === "no route" ? [] : before.split(" and ").map((one) => one.split(" "));
    const isForced =
      routes.length === 0 ||
      routes.some((route) =>
        route.some((km, i) => i > 0 && this.#world.wasTroubled(route[i - 1] as string, km)),
      );
    const last = this.#changed.get(object) ?? Number.NEGATIVE_INFINITY;
    this.#changed.set(object, this.#world.now());
    if (isForced) this.forced++;
    else {
      this.free++;
      const calm = (this.#calm.get(object) ?? 0) + (isCalm ? 1 : 0);
      this.#calm.set(object, calm);
      if (calm > this.#mostCalm) this.bad("flaps", `${object}: ${text}`);
      if (this.#world.now() - last < this.#holdDownMs) {
        this.bad("hold-down", `${object} after ${this.#world.now() - last} ms: ${text}`);
      }
    }
  }

  /** All is well for long: each pair has its share. @param optimum by pair, bit/s */
  shares(pairs: readonly PairStatus[], optimum: ReadonlyMap<string, number>, part: number): void {
    for (const [name, most] of optimum) {
      const share = pairs.find(({ pair }) => pair === name)?.share ?? 0;
      if (share < most * part) {
        this.bad("starved", `${name} has ${share} bit/s of ${Math.round(most)}`);
      }
    }
  }
}
