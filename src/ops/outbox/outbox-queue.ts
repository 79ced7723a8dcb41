/**
 * What waits for the broker, oldest first: where each event is on disk, and for the next few what it
 * says. Gone only once the broker has acknowledged it. Bounded: routine events are given up first.
 */

export interface QueueLimits {
  /** Most events in all. */
  readonly items: number;
  /** Most routine events. */
  readonly routine: number;
}

export interface Waiting {
  /** Grows with every event, across restarts. */
  readonly id: number;
  /** Alarm transitions and audit events; false: routine. */
  readonly kept: boolean;
  /** Record in the file, bytes; −1: not there yet. */
  at: number;
  length: number;
  /** In memory for those that are next, and those that are not on disk. */
  payload: Buffer | undefined;
  /** Acknowledged, or given up. */
  gone: boolean;
}

export class OutboxQueue {
  readonly #limits: QueueLimits;
  #items: Waiting[] = [];
  /** Before this index all are gone. */
  #head = 0;
  /** Before this index all were handed to the connection at hand. */
  #cursor = 0;
  /** Before this index no routine event waits. */
  #routineAt = 0;
  #length = 0;
  #routine = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Events that wait. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of their records on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns those given up to make room */
  push(item: Waiting): Waiting[] {
    const dropped: Waiting[] = [];
    if (!item.kept && this.#routine >= this.#limits.routine)
      this.#drop(this.#oldestRoutine(), dropped);
    if (this.#length >= this.#limits.items) {
      this.#drop(this.#oldestRoutine() ?? this.#oldest(), dropped);
    }
    this.#items.push(item);
    this.#length++;
    if (!item.kept) this.#routine++;
    this.#bytes += item.length;
    return dropped;
  }

  /**
   * Puts older ones before all others.
   * @returns those given up to make room
   */
  prepend(items: readonly Waiting[]): Waiting[] {
    const newer = [...this.waiting()];
    this.#items = [];
    this.#head = this.#cursor = this.#routineAt = 0;
    this.#length = this.#routine = this.#bytes = 0;
    return [...items, ...newer].flatMap((item) => this.push(item));
  }

  /** The oldest that the connection at hand was not given; it stays the next until {@link sent}. */
  peek(): Waiting | undefined {
    while (this.#items[this.#cursor]?.gone) this.#cursor++;
    return this.#items[this.#cursor];
  }

  /** The oldest was given to the connection at hand. */
  sent(): void {
    this.#cursor++;
  }

  /** What is next is one that memory has, if any. @returns whether others were passed over */
  passUnread(): boolean {
    const before = this.#cursor;
    while (this.peek() !== undefined && this.peek()?.payload === undefined) this.#cursor++;
    return this.#cursor > before;
  }

  /** The next `count` from the cursor on. */
  ahead(count: number): Waiting[] {
    const found: Waiting[] = [];
    for (let i = this.#cursor; i < this.#items.length && found.length < count; i++) {
      const item = this.#items[i] as Waiting;
      if (!item.gone) found.push(item);
    }
    return found;
  }

  /** How far an item pushed now would be from being next. */
  get distance(): number {
    return this.#items.length - this.#cursor;
  }

  /** All that wait, oldest first. */
  *waiting(): Generator<Waiting> {
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i] as Waiting;
      if (!item.gone) yield item;
    }
  }

  /** Takes an item out, wherever it is. @returns false if it was out already */
  remove(item: Waiting): boolean {
    if (item.gone) return false;
    item.gone = true;
    item.payload = undefined;
    this.#length--;
    this.#bytes -= item.length;
    if (!item.kept) this.#routine--;
    while (this.#items[this.#head]?.gone) this.#head++;
    this.#cursor = Math.max(this.#cursor, this.#head);
    if (this.#items.length > 1_024 + 2 * this.#length) this.#shrink();
    return true;
  }

  /** The connection is gone: what it did not acknowledge is next again. */
  rewind(): void {
    this.#cursor = this.#head;
  }

  #oldest(): Waiting | undefined {
    // Not one that is on its way: it may have arrived.
    return this.ahead(1)[0] ?? this.#items[this.#head];
  }

  #oldestRoutine(): Waiting | undefined {
    this.#routineAt = Math.max(this.#routineAt, this.#head);
    for (; this.#routineAt < this.#items.length; this.#routineAt++) {
      const item = this.#items[this.#routineAt] as Waiting;
      if (!item.gone && !item.kept) return item;
    }
    return undefined;
  }

  #drop(item: Waiting | undefined, dropped: Waiting[]): void {
    if (item !== undefined && this.remove(item)) dropped.push(item);
  }

  /** Forgets those that are gone, wherever they are. */
  #shrink(): void {
    const sent = this.#items.slice(this.#head, this.#cursor).filter(({ gone }) => !gone).length;
    this.#items = this.#items.filter(({ gone }) => !gone);
    this.#head = 0;
    this.#cursor = sent;
    this.#routineAt = 0;
  }
}
