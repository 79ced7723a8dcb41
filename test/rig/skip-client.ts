/** An encryptor that asks its KM for keys by SKIP: Node's own HTTPS with a pre-shared key. */
import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";

export interface SkipReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface SkipClientOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: string;
  readonly pskFile: string;
  /** Suites in OpenSSL's notation. */
  readonly ciphers?: string;
  readonly tls?: "TLSv1.2" | "TLSv1.3";
}

export class SkipClient {
  readonly #options: SkipClientOptions;
  readonly #agent: Agent;

  constructor(options: SkipClientOptions) {
    this.#options = options;
    const { tls = "TLSv1.3", ciphers = "TLS_AES_128_GCM_SHA256:PSK-AES256-GCM-SHA384" } = options;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 4,
      minVersion: tls,
      maxVersion: tls,
      ciphers,
      checkServerIdentity: () => undefined,
      pskCallback: () => ({
        identity: options.identity,
        psk: Buffer.from(readFileSync(options.pskFile, "utf8").trim(), "hex"),
      }),
    } as ConstructorParameters<typeof Agent>[0]);
  }

  /** @param path with a query @throws what TLS says if the server refuses */
  ask(path: string, more: RequestOptions = {}): Promise<SkipReply> {
    const { host, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<SkipReply>();
    const options = { method: "GET", ...more, host, port, path, agent: this.#agent };
    const asked = request({ ...options, timeout: 20_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: JSON.parse(Buffer.concat(chunks).toString() || "{}") });
      });
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", reject);
    asked.end();
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}
