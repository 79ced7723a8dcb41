/** A desk that gives as many keys as are asked for, when a test lets it, and hears what became of them. */
import type { KeyReply, KeyRequest, OnRequestKeys } from "../../src/node/keys/ports.ts";
import { QkdKey } from "../../src/port/key.ts";

export class AskingDesk implements OnRequestKeys {
  readonly unitBits = 256;
  readonly stored = 1_000;
  readonly asked: KeyRequest[] = [];
  /** How each answer ended, in the order in which they did. */
  readonly ended: string[] = [];
  /** Called before an answer is given; it waits for this. */
  before: () => Promise<void> = async () => {};
  #keys = 0;

  async request(request: KeyRequest): Promise<KeyReply> {
    const nth = this.asked.push(request);
    await this.before();
    const { number, most, size } = request;
    const keys = Array.from({ length: Math.min(number, most) }, () => this.#key(size));
    const tell = (how: string) => () => void this.ended.push(`${nth} ${how}`);
    const [sent, unsent, torn] = [tell("sent"), tell("unsent"), tell("torn")];
    return { response: "success", keys, sent, unsent, torn };
  }

  #key(bits: number): QkdKey {
    const id = `00000000-0000-8000-8000-${(this.#keys++).toString(16).padStart(12, "0")}`;
    const facts = { ref: { epoch: "0".repeat(16), number: 1 }, bits };
    return new QkdKey(id, facts, Buffer.alloc(bits / 8, 0x5a), bits);
  }
}
