/**
 * Live by server-sent events: what the page shows, once a second and at once when something happened.
 * It is made once for all who watch, and not at all without a viewer.
 */
import type { ServerResponse } from "node:http";
import { type Clock, every, type Timer } from "../../base/clock.ts";

/** Browsers at once. */
export const mostViewers = 32;
/** A browser that has so much unread, beside its first message, is dropped, bytes; it comes back by itself. */
const mostUnread = 262_144;
const beatMs = 1_000;
/** What happens within this time is told together, ms. */
const gatherMs = 50;
/** Not more often than this, whatever happens, ms. */
const leastMs = 200;

export interface StreamParts {
  readonly clock: Clock;
  /** Makes a message: all of it for a new browser, else what is new since the last one. */
  readonly message: (whole: boolean) => object;
}

interface Viewer {
  readonly response: ServerResponse;
  /** When the login ends, monotonic ms. */
  readonly until: number;
  /** Of a whole network it is long, and a slow line takes its time. Bytes. */
  readonly first: number;
}

export class Stream {
  readonly #parts: StreamParts;
  readonly #viewers = new Set<Viewer>();
  #beat: Timer | undefined;
  #soon: Timer | undefined;
  #sentAt = 0;
  /** Browsers that were dropped because they did not read. */
  dropped = 0;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** @returns false if there are too many already */
  add(response: ServerResponse, until = Number.POSITIVE_INFINITY): boolean {
    if (this.#viewers.size >= mostViewers) return false;
    const whole = frame(this.#parts.message(true));
    const viewer = { response, until, first: Buffer.byteLength(whole) };
    response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    response.socket?.setNoDelay(true);
    response.write(`retry: 1000\n\n${whole}`);
    this.#viewers.add(viewer);
    response.on("close", () => this.#remove(viewer));
    response.on("error", () => this.#remove(viewer));
    this.#beat ??= every(this.#parts.clock, beatMs, () => this.#send());
    return true;
  }

  /** Something happened that people should see now. */
  pushUpdate(): void {
    if (this.#viewers.size === 0 || this.#soon !== undefined) return;
    const { clock } = this.#parts;
    const wait = Math.max(gatherMs, this.#sentAt + leastMs - clock.now());
    this.#soon = clock.after(wait, () => this.#send());
  }

  close(): void {
    for (const viewer of this.#viewers) {
      viewer.response.destroy();
      this.#remove(viewer);
    }
  }

  #send(): void {
    this.#soon?.cancel();
    this.#soon = undefined;
    const { clock, message } = this.#parts;
    const now = clock.now();
    this.#sentAt = now;
    const text = frame(message(false));
    for (const viewer of this.#viewers) {
      const { response, until, first } = viewer;
      if (response.writableLength > mostUnread + first) {
        this.dropped++;
        response.destroy();
      } else if (now >= until) {
        response.end();
      } else {
        response.write(text);
      }
    }
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    this.#beat?.cancel();
    this.#beat = undefined;
    this.#soon?.cancel();
    this.#soon = undefined;
  }
}

/** JSON has no raw line feed, so that one `data` line holds it. */
function frame(message: object): string {
  return `event: state\ndata: ${JSON.stringify(message)}\n\n`;
}
