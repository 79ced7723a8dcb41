/** The controller of the show: what it told last, and what that comes to. */
import type { ControllerStatus, PairStatus } from "../../../src/controller/model/status.ts";
import type { RigController } from "../../../test/rig/network-controller.ts";
import { Looking } from "../looking.ts";

/** What the controller tells, in the report of a run. */
export interface ControllerReport {
  /** Key managers that it knows, and of them those that are connected. */
  readonly kms: number;
  readonly attached: number;
  /** Places on the way of the keys between the two that share no fibre; empty: it knows none. */
  readonly route: readonly string[];
  /** Code of its verdict; `away` where it did not answer. */
  readonly verdict: string;
}

export class ShownController {
  readonly #controller: RigController;
  readonly #places: readonly string[];
  readonly #far: readonly [string, string];
  #last: ControllerStatus | undefined;
  readonly #looking: Looking;

  /** @param far the two whose keys are relayed on its routes */
  constructor(
    controller: RigController,
    places: readonly string[],
    far: readonly [string, string],
  ) {
    this.#controller = controller;
    this.#places = places;
    this.#far = far;
    this.#looking = new Looking(500, () => this.look());
  }

  /** Asks it. */
  async look(): Promise<void> {
    this.#last = await this.#controller.status().catch(() => undefined);
  }

  stop(): void {
    this.#looking.stop();
  }

  /** Address of its map; undefined until it is served. */
  get page(): string | undefined {
    return this.#controller.page;
  }

  get verdict(): ControllerStatus["verdict"] | undefined {
    return this.#last?.verdict;
  }

  /** All key managers are connected, and it knows a way. */
  get ready(): boolean {
    const { kms, attached, route } = this.report;
    return attached === kms && route.length > 0;
  }

  get report(): ControllerReport {
    const known = this.#last?.nodes.filter(({ km }) => this.#place(km) !== undefined) ?? [];
    return {
      kms: this.#places.length,
      attached: known.filter(({ attached }) => attached).length,
      route: (this.#pair?.route ?? []).map((km) => this.#place(km) ?? km),
      verdict: this.#last?.verdict.code ?? "away",
    };
  }

  get #pair(): PairStatus | undefined {
    const [one, other] = this.#far.map((place) => `km-${place}`);
    return this.#last?.pairs.find(({ a, b }) => a === one && b === other);
  }

  #place(km: string): string | undefined {
    return this.#places.find((place) => km === `km-${place}`);
  }
}
