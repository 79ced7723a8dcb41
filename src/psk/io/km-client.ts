/** Asks the KM of this end for keys, by ETSI GS QKD 014. */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { type Clock, delay } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { type CredentialFiles, readCredentials } from "../../host/tls/credentials.ts";
import { clientTls } from "../../host/tls/options.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { keyMemory, wipeMemory } from "../../port/key.ts";
import { base } from "../../wire/etsi014/names.ts";
import { readKeyContainer } from "../../wire/etsi014/read-container.ts";
import type { KeySource, TunnelKey } from "../rotation/ports.ts";

export interface KmClientOptions {
  /** `https://host:port` */
  readonly url: string;
  /** The name that the KM's certificate must carry. */
  readonly serverName: string;
  readonly files: CredentialFiles;
  /** SAE ID of the other end. */
  readonly partner: string;
  /** bits */
  readonly size: number;
  readonly clock: Clock;
}

/** The longest answer, bytes: one key of the longest size, in base64. */
const longestAnswer = 16_384;
const timeoutMs = 10_000;
/**
 * A key that was given to the other end a moment ago is asked for again after this, this many times; and for no longer
 * than the master waits for what comes of it, with time for the answer (`peer-line.ts`).
 */
const again = { ms: 250, times: 12, withinMs: 15_000 } as const;

/** What an answer says of the configuration, at this end or the KM's; its own words are not quoted. */
const noRight =
  ": the KM knows this certificate as no application, or as none that may share keys with the SAE";
const noPath = ": km.url is of another server";
const meanings: Readonly<Record<"enc_keys" | "dec_keys", Readonly<Record<number, string>>>> = {
  enc_keys: {
    400: ": it gives no key of so many bits, or none for the SAE",
    401: noRight,
    403: noRight,
    404: noPath,
    429: ": more keys than it gives this application",
  },
  dec_keys: {
    400: ": it has no such key, or not any more",
    401: `${noRight}, or the key is of others`,
    403: noRight,
    404: noPath,
  },
};

export class KmClient implements KeySource {
  readonly #options: KmClientOptions;

  constructor(options: KmClientOptions) {
    this.#options = options;
  }

  async newKey(): Promise<TunnelKey> {
    const { size } = this.#options;
    return this.#key(`enc_keys?number=1&size=${size}`);
  }

  async keyOf(id: string): Promise<TunnelKey> {
    const { clock } = this.#options;
    const until = clock.now() + again.withinMs;
    let said: Fault | undefined;
    for (let i = 0; ; i++) {
      const left = Math.min(timeoutMs, until - clock.now());
      try {
        const key = await this.#key(`dec_keys?key_ID=${id}`, left);
        if (key.id === id) return key;
        wipeMemory(key.bytes);
        throw new Fault("psk.km", "the KM gave another key than the one that was asked for");
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        const { status } = error.facts;
        // A question that was cut short tells less than the answer before it.
        if (status === undefined && left < timeoutMs) throw said ?? error;
        if (status !== 503 || i >= again.times || clock.now() + again.ms >= until) throw error;
        said = error;
        await delay(clock, again.ms);
      }
    }
  }

  /** @param withinMs of the answer */
  async #key(path: string, withinMs = timeoutMs): Promise<TunnelKey> {
    const { size, url } = this.#options;
    const [key, ...more] = readKeyContainer(await this.#get(path, withinMs));
    for (const one of more) wipeMemory(one.bytes);
    if (key === undefined || more.length > 0) {
      throw new Fault("psk.km", "the KM did not give one key", { km: url });
    }
    if (key.bytes.length * 8 === size) return key;
    wipeMemory(key.bytes);
    throw new Fault("psk.km", "the KM gave a key of another length", { km: url, limit: size });
  }

  /** @returns the body, which the caller wipes */
  #get(path: string, withinMs: number): Promise<Buffer> {
    const { url, serverName, files, partner, size, clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const fail = (what: string, facts: Fault["facts"] = {}) =>
      reject(new Fault("psk.km", `no key from the KM: ${what}`, { km: url, ...facts }));
    const tls = clientTls(readCredentials(files, "psk.km"), serverName, () => clock.wall());
    const at = new URL(`${base}${encodeURIComponent(partner)}/${path}`, url);
    const asked = request(at, { ...tls, agent: false, headers: { accept: "application/json" } });
    const late = `no answer within ${Math.ceil(withinMs / 1_000)} s`;
    const timer = clock.after(withinMs, () => {
      fail(late);
      asked.destroy();
    });
    asked.once("error", (error) => fail(connectionReason(error, "KM")));
    asked.once("close", () => {
      timer.cancel();
      fail("the connection was closed");
    });
    asked.once("response", (response) => {
      const { statusCode: status = 0 } = response;
      if (status !== 200) {
        response.resume();
        const asked = path.startsWith("enc_keys") ? "enc_keys" : "dec_keys";
        const why = `it answered ${status}${meanings[asked][status] ?? ""}`;
        return fail(why, { sae: partner, ...(asked === "enc_keys" && { bits: size }), status });
      }
      readBody(response, resolve, fail);
    });
    asked.end();
    return promise;
  }
}

/** Pieces are gathered in one place: what is copied and left is wiped. */
function readBody(
  response: IncomingMessage,
  done: (body: Buffer) => void,
  fail: (what: string) => void,
): void {
  const body = keyMemory(longestAnswer);
  let length = 0;
  response.on("data", (chunk: Buffer) => {
    if (length + chunk.length > longestAnswer) response.destroy();
    else length += chunk.copy(body, length);
    chunk.fill(0);
  });
  response.once("end", () => done(body.subarray(0, length)));
  response.once("close", () => {
    if (response.complete) return;
    wipeMemory(body);
    fail("its answer is cut, or too long");
  });
}
