/** What a case of the KM's suite works with: connections, keys, and what must be said to them. */
import { Broken } from "../run.ts";
import { HttpsClient } from "./https.ts";
import { type Members, payload, refusals, type Said } from "./message.ts";
import { changed, newKey, type Target, type TestKey } from "./target.ts";
import { TcpClient } from "./tcp.ts";

/** What both bindings can do. */
export interface Client {
  /** What the KM sent that it should not have; looked at when the case ends. */
  readonly fault: string | undefined;
  readonly times: readonly number[];
  supply(body: Buffer): Promise<Said>;
  /** At once: over TCP in one write, over HTTPS as connections allow. */
  supplyAll(bodies: readonly Buffer[]): Promise<Said[]>;
  close(): void;
}

/** How many connections a node has over HTTPS unless configured. */
const connections = 8;

export class Kit {
  readonly target: Target;
  readonly note: (text: string) => void;
  readonly #clients: Client[] = [];

  constructor(target: Target, note: (text: string) => void) {
    this.target = target;
    this.note = note;
  }

  /** As a node connects: one connection over TCP, several over HTTPS. */
  async open(most = connections): Promise<Client> {
    const { binding } = this.target;
    const client =
      binding === "tcp" ? await TcpClient.open(this.target) : new HttpsClient(this.target, most);
    return this.keep(client);
  }

  async tcp(): Promise<TcpClient> {
    return this.keep(await TcpClient.open(this.target));
  }

  http(most = 1): HttpsClient {
    return this.keep(new HttpsClient(this.target, most));
  }

  /** The client is closed when the case ends, and its fault told. */
  keep<C extends Client>(client: C): C {
    this.#clients.push(client);
    return client;
  }

  key(bits = 256): TestKey {
    return newKey(bits);
  }

  keys(count: number, bits = 256): TestKey[] {
    return Array.from({ length: count }, () => newKey(bits));
  }

  payload(key: TestKey, change?: Members): Buffer {
    return payload(this.target, key, change);
  }

  /** The KM takes the key. @throws Broken */
  success(said: Said, what = "the key"): void {
    if (said.word !== "success") throw new Broken(`${what}: ${said.why}, not "success"`);
  }

  async taken(client: Client, key: TestKey, what?: string, change?: Members): Promise<void> {
    this.success(await client.supply(this.payload(key, change)), what);
  }

  /**
   * The KM says that it does not take it, in a word of Table 2.
   * @param wanted words that are right; others are told as a finding
   * @param closing it may also end the connection instead
   */
  refused(said: Said, what: string, wanted: readonly string[] = [], closing = false): void {
    const { word, why } = said;
    if (word === "success") throw new Broken(`${what}: answered "success"`);
    if (closing && (word === "(closed)" || word === "(unclear)")) return;
    if (!(refusals as readonly string[]).includes(word)) {
      throw new Broken(`${what}: ${why}, instead of a refusal by a word of Table 2`);
    }
    if (wanted.length > 0 && !wanted.includes(word)) {
      const right = wanted.map((one) => `"${one}"`).join(" or ");
      throw new Broken(`${what}: ${why}, instead of ${right}`);
    }
  }

  /** The KM holds this key: the same again is a success, another under its ID is refused. */
  async holds(client: Client, key: TestKey, what: string): Promise<void> {
    await this.taken(client, key, `${what}, supplied again`);
    const said = await client.supply(this.payload(changed(key)));
    this.refused(said, `${what}, other bytes under its key_ID`, ["duplicate_key_ID"]);
  }

  /** The KM holds nothing under this ID. */
  async free(client: Client, key: TestKey, what: string): Promise<void> {
    await this.taken(client, key, `${what}, and then the right key under this key_ID`);
  }

  /** The KM serves a new connection. */
  async alive(what: string): Promise<void> {
    const client = await this.open();
    await this.taken(client, this.key(), `${what}; a key over a new connection`);
  }

  /** Closes all. @throws Broken if the KM sent what answers nothing */
  end(): void {
    for (const client of this.#clients) client.close();
    const fault = this.#clients.find((one) => one.fault !== undefined)?.fault;
    if (fault !== undefined) throw new Broken(fault);
  }
}

/** Resolves after that many ms. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
