/** A link over anything that is a Node.js stream: a serial port, a socket. */
import type { Duplex } from "node:stream";
import type { Clock } from "../../src/base/clock.ts";
import { errorCode, Fault } from "../../src/base/errors.ts";
import { LinkLife } from "./life.ts";
import type { Link } from "./link.ts";

export interface StreamLinkOptions {
  /** For faults: a device path or an address. */
  readonly where: string;
  /** What it is, for the fault that says that it closed. */
  readonly name: string;
  readonly clock: Clock;
  readonly onBytes: (chunk: Buffer) => void;
  /** Lets go of the device. */
  readonly shut: () => Promise<void>;
}

export class StreamLink implements Link {
  readonly #stream: Duplex;
  readonly #life: LinkLife;

  constructor(stream: Duplex, { where, name, clock, onBytes, shut }: StreamLinkOptions) {
    this.#stream = stream;
    const life = new LinkLife(where, clock, shut);
    this.#life = life;
    // A reader is attached from the start: without one a serial port does not notice that it is gone.
    stream.on("data", (chunk: Buffer) => {
      if (!life.over) onBytes(chunk);
      chunk.fill(0);
    });
    const gone = (error?: Error | null) => {
      const facts = { source: where, code: errorCode(error) ?? "gone" };
      life.finish(new Fault("link.closed", `${name} closed`, facts));
    };
    stream.on("error", gone);
    stream.on("close", gone);
  }

  get ended(): Promise<Error | undefined> {
    return this.#life.ended;
  }

  get backlog(): number {
    return this.#life.backlog;
  }

  write(bytes: Buffer): void {
    const life = this.#life;
    if (life.over) return;
    life.queued(bytes.length);
    this.#stream.write(bytes, (error) => {
      // An error comes as an event too, and that ends the link.
      if (!error) life.taken(bytes.length);
    });
  }

  close(): Promise<void> {
    return this.#life.close();
  }
}
