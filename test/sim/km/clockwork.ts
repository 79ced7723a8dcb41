/** One heap of (time, order): all that happens in a simulated network, in one order that a seed decides. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export class Clockwork {
  now = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  #soon: (() => void)[] = [];

  /** Runs `fn` in `ms`. */
  after(ms: number, fn: () => void): void {
    this.#push({ at: this.now + ms, order: this.#order++, fn });
  }

  /** Runs `fn` at the end of what runs now. */
  soon(fn: () => void): void {
    this.#soon.push(fn);
  }

  /** Runs what is due up to `time`, in order. */
  runUntil(time: number): void {
    for (;;) {
      this.#settle();
      const first = this.#heap[0];
      if (first === undefined || first.at > time) break;
      this.#pop();
      this.now = first.at;
      first.fn();
    }
    this.now = time;
  }

  #settle(): void {
    while (this.#soon.length > 0) {
      const due = this.#soon;
      this.#soon = [];
      for (const fn of due) fn();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event))
        child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
