/** The end that follows: it fetches and installs what the master says. See `master.ts`. Pure. */
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { TunnelEnd } from "./end.ts";
import type { Answer, Message } from "./messages.ts";
import type { KeyPlace, KeySource } from "./ports.ts";

export interface SlaveParts {
  readonly place: KeyPlace;
  readonly end: TunnelEnd;
  readonly source: Pick<KeySource, "keyOf">;
  readonly log: Log;
}

/** Messages under way or waiting: of a master, and of those of its connections that were cut off. */
const mostWaiting = 8;

export class Slave {
  readonly #parts: SlaveParts;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: SlaveParts) {
    this.#parts = parts;
  }

  /** One at a time, in their order: a master that was cut off may have asked another time. */
  hear(message: Message): Promise<Answer> {
    if (this.#waiting >= mostWaiting) return Promise.resolve("failed");
    this.#waiting++;
    const answer = this.#last.then(() => this.#act(message)).finally(() => this.#waiting--);
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Resolves when all that it heard so far is done. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #act({ act, id }: Message): Promise<Answer> {
    try {
      return await (act === "offer" ? this.#fetch(id) : this.#use(id));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#parts.log.warn(describe(error), { key_id: id });
      return "failed";
    }
  }

  async #fetch(id: string): Promise<Answer> {
    const { place, source } = this.#parts;
    await place.keepNext(await source.keyOf(id));
    return "ready";
  }

  async #use(id: string): Promise<Answer> {
    const { place, end, log } = this.#parts;
    if (place.current?.id !== id) {
      if (place.next?.id !== id) return "unknown";
      await place.promote();
      await end.settle();
      log.info("key in use", { key_id: id });
      return "used";
    }
    await end.settle();
    return "used";
  }
}
