/** A key manager's core in simulated time: it starts from a disk, dies, and starts again. */

import type { ReceivedKeys } from "../../../src/km/keys/received.ts";
import { KmLink } from "../../../src/km/link/link.ts";
import type { LinkWorld } from "../../../src/km/link/world.ts";
import { type LinkLimits, usualLimits } from "../../../src/km/peer/context.ts";
import type { LinkEvent } from "../../../src/km/peer/events.ts";
import type { Change } from "../../../src/km/store/port.ts";
import type { Use } from "../../../src/km/store/shapes.ts";
import type { Takes } from "../../../src/km/supply/peer.ts";
import type { Clockwork } from "./clockwork.ts";
import { SimIntake } from "./sim-intake.ts";
import { SimDisk, SimStore } from "./sim-store.ts";

const tickMs = 100;
/** As long as a door waits for its last answers. */
const lastAnswersMs = 2_000;

export type Name = "a" | "b";

export interface SimKmOptions {
  readonly clock: Clockwork;
  readonly random: () => number;
  readonly draw: (length: number) => Buffer;
  readonly numberOf: (id: Uint8Array) => number;
  readonly limits: Partial<LinkLimits>;
  readonly takes: Takes;
  readonly oneTime: boolean;
  readonly tagged?: (km: SimKm, key: Buffer, text: Buffer) => void;
  readonly mayBind: (use: string | undefined) => boolean;
  readonly noSync: ((change: Change | "put") => boolean) | undefined;
  readonly forgetful: boolean;
  /** A planted mistake: keys leave the buffer before it is durable that their IDs were confirmed. */
  readonly hasty: boolean;
  readonly lose: ((number: number) => boolean) | undefined;
  readonly told: (km: SimKm, event: LinkEvent) => void;
  /** A planted mistake is put into each core that starts. */
  readonly plant: (link: KmLink, km: SimKm) => void;
}

export class SimKm {
  readonly name: Name;
  readonly disk = new SimDisk();
  readonly #options: SimKmOptions;
  store!: SimStore;
  #intake!: SimIntake;
  link!: KmLink;
  /** Rises with each start. */
  life = 0;
  /** Rises with each end after which a key that an application has asked for may be gone. */
  era = 0;
  alive = false;
  /** A test listens to what the core tells. */
  onTold: (event: LinkEvent) => void = () => {};

  constructor(name: Name, options: SimKmOptions) {
    this.name = name;
    this.#options = options;
    this.start();
  }

  start(): void {
    const {
      clock,
      random,
      draw,
      numberOf,
      limits,
      takes,
      mayBind,
      noSync,
      forgetful,
      hasty,
      told,
      plant,
    } = this.#options;
    const life = ++this.life;
    this.alive = true;
    if (this.#options.lose !== undefined) this.disk.lose(this.#options.lose);
    this.store = new SimStore(this.disk, {
      clock,
      random,
      numberOf,
      noSync,
      forgetful,
      oneTime: (key, text) => this.#options.tagged?.(this, key, text),
    });
    const { rows, buffered, extents } = this.store.load();
    this.#intake = new SimIntake(this.store, buffered);
    const world: LinkWorld = {
      store: hasty ? this.store : this.#intake.leaving,
      now: () => clock.now,
      wall: () => clock.now,
      random: draw,
      soon: (fn) => clock.soon(() => this.alive && this.life === life && fn()),
      tell: (event) => {
        told(this, event);
        this.onTold(event);
      },
      mayBind,
      left: (_module, ids) => this.#intake.left(ids),
    };
    this.link = new KmLink(
      {
        link: "ab",
        me: this.name,
        peer: this.name === "a" ? "b" : "a",
        modules: [{ module: "m", ids: ["QKD-A", "QKD-B"] }],
        limits: { ...usualLimits, ...limits },
        takes,
        oneTime: this.#options.oneTime,
        incarnation: draw(16),
      },
      world,
      rows,
      buffered,
      new Set(extents.map(({ number }) => number)),
    );
    plant(this.link, this);
    this.#tick(life);
  }

  /** Whether a key of this ID came before: it is confirmed, and not taken again. */
  knows(id: string): boolean {
    return this.#intake.knows(id);
  }

  /** Intake of one key. @param done when it is durable */
  supply(id: string, key: ReceivedKeys, done: () => void): void {
    this.#intake.supply(id, key, (stored) => this.link.stored(stored), done);
  }

  #tick(life: number): void {
    this.#options.clock.after(tickMs, () => {
      if (!this.alive || this.life !== life) return;
      this.link.tick();
      this.#tick(life);
    });
  }

  die(): void {
    this.era++;
    this.#end();
  }

  #end(): void {
    this.alive = false;
    this.store.die();
  }

  /** In order, as the program does it. @param stopped in place of it the process may have died, or begun anew */
  stop(stopped: () => void): void {
    const { clock } = this.#options;
    const { life, link } = this;
    const lives = () => this.alive && this.life === life;
    const until = clock.now + lastAnswersMs;
    const ended = () => {
      if (!lives()) return;
      if (link.peer.inDoubt > 0) this.era++;
      this.#end();
      stopped();
    };
    const answered = () => {
      if (!lives()) return;
      if (link.peer.openTakes > 0 && clock.now < until) return clock.after(tickMs, answered);
      // A question that was heard to the end is answered; one that was not is in doubt.
      if (link.peer.openTakes > 0) this.era++;
      link.settled(() => clock.soon(ended));
    };
    link.peer.lastTakes();
    answered();
  }

  /** Cells of a key on its way: its bytes with their origins. */
  cells(use: Use) {
    return this.store.cells(use.ranges);
  }
}
