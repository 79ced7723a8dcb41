/**
 * What must never be, over all pads and keys of a network: S1 to S4 of the key manager's README. It sees the origin of
 * each byte that is read out of a store, and what is on the wire; it knows nothing of books.
 */
import { encodePayload } from "../../../src/wire/kx/codec.ts";
import type { RelayMessage } from "../../../src/wire/kx/relay-messages.ts";

export class NetOracle {
  readonly broken: string[] = [];
  /** By link, by origin: the key that has the byte. */
  readonly #uses = new Map<string, Map<number, string>>();
  /** By link and pad: the one message under it. */
  readonly #messages = new Map<string, string>();
  readonly #keys = new Map<string, { bytes: Buffer; at: Set<string> }>();
  masters = 0;
  slaves = 0;
  pads = 0;
  messages = 0;

  bad(rule: string, words: string): void {
    if (this.broken.length < 20) this.broken.push(`${rule}: ${words}`);
  }

  /** Bytes of a link were read for one key or pad. */
  read(link: string, id: string, origins: Float64Array): void {
    const uses = this.#uses.get(link) ?? new Map<number, string>();
    this.#uses.set(link, uses);
    for (const origin of origins) {
      const before = uses.get(origin);
      if (before === undefined) uses.set(origin, id);
      else if (before !== id) {
        this.bad("S1", `a byte of ${link} went to ${before} and to ${id}`);
        break;
      }
    }
  }

  /** Something under a pad is on the wire. */
  sent(link: string, message: RelayMessage): void {
    if (message.type !== "relay") return;
    this.messages++;
    const place = `${link} ${message.pad.toString("hex")}`;
    const bytes = encodePayload(message).toString("hex");
    const before = this.#messages.get(place);
    if (before !== undefined && before !== bytes) this.bad("S4", `two messages under ${place}`);
    this.#messages.set(place, bytes);
  }

  /** An application has a key. @param who KM and part */
  handed(link: string, id: string, who: string, bytes: Buffer): void {
    if (who.endsWith("master")) this.masters++;
    else this.slaves++;
    const known = this.#keys.get(`${link} ${id}`);
    if (known === undefined) {
      this.#keys.set(`${link} ${id}`, { bytes: Buffer.from(bytes), at: new Set([who]) });
      return;
    }
    if (!known.bytes.equals(bytes)) this.bad("S3", `${id} is not the same at both ends of ${link}`);
    if (known.at.has(who)) this.bad("S2", `${id} was handed out twice at ${who}`);
    known.at.add(who);
  }
}
