/**
 * Applications take turns: however many requests one has waiting, each of the others is served in between. So
 * many requests are under way at a time over all. Pure.
 */

/** Does the work of one request. @param done to be called once when it is over */
export type Work = (done: () => void) => void;

export class FairTurns {
  readonly #atOnce: number;
  readonly #mostOfOne: number;
  /** Requests that wait, by application; those next in turn first. */
  readonly #waiting = new Map<string, Work[]>();
  #running = 0;
  /** Of one application: others have some places whatever it waits for. */
  readonly #mostRunning: number;
  readonly #runningOf = new Map<string, number>();
  #isTurning = false;

  /**
   * @param atOnce requests under way
   * @param mostOfOne requests of one application that wait
   */
  constructor(atOnce: number, mostOfOne: number) {
    this.#atOnce = atOnce;
    this.#mostOfOne = mostOfOne;
    this.#mostRunning = Math.max(1, Math.floor(atOnce / 2));
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    let sum = 0;
    for (const works of this.#waiting.values()) sum += works.length;
    return sum;
  }

  /** @returns false if too many of this application wait: nothing is done then */
  add(application: string, work: Work): boolean {
    const own = this.#waiting.get(application);
    if ((own?.length ?? 0) >= this.#mostOfOne) return false;
    if (own === undefined) this.#waiting.set(application, [work]);
    else own.push(work);
    this.#next();
    return true;
  }

  #next(): void {
    // What ends at once would else begin the next in its own call, thousands deep when a link is lost.
    if (this.#isTurning) return;
    this.#isTurning = true;
    try {
      while (this.#running < this.#atOnce && this.#first()) {}
    } finally {
      this.#isTurning = false;
    }
  }

  /** Begins the work that is next in turn. @returns false if none waits */
  #first(): boolean {
    const first = this.#nextOf();
    if (first === undefined) return false;
    const [application, works] = first;
    const work = works.shift() as Work;
    // Behind the others, if there is more of it.
    this.#waiting.delete(application);
    if (works.length > 0) this.#waiting.set(application, works);
    this.#count(application, 1);
    let isOver = false;
    work(() => {
      if (isOver) return;
      isOver = true;
      this.#count(application, -1);
      this.#next();
    });
    return true;
  }

  /** The first that waits and has not its half under way: at most two have. */
  #nextOf(): [string, Work[]] | undefined {
    for (const one of this.#waiting) {
      if ((this.#runningOf.get(one[0]) ?? 0) < this.#mostRunning) return one;
    }
    return undefined;
  }

  #count(application: string, by: 1 | -1): void {
    this.#running += by;
    const its = (this.#runningOf.get(application) ?? 0) + by;
    if (its === 0) this.#runningOf.delete(application);
    else this.#runningOf.set(application, its);
  }
}
