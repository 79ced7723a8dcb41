/**
 * Applications that ask as fast as they are answered, or at a rate: a process of its own, with as little of its own
 * work as can be: bytes of requests are made once, and of an answer only what is needed is looked at.
 */
import { readFileSync } from "node:fs";
import { connect, type TLSSocket } from "node:tls";

export interface LoadOrder {
  /** Who asks first, and where: connections take them in turn, and each asks for keys with every slave in turn. */
  readonly masters: readonly [Asker, ...Asker[]];
  /** SAE IDs. */
  readonly slaves: readonly [string, ...string[]];
  /** Who fetches them, and where; undefined: they are not fetched. One pair only. */
  readonly fetches?: Asker | undefined;
  readonly connections: number;
  readonly number: number;
  /** Asked so long before it is measured, over the same connections: the first of them are at processes that have compiled little. */
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Questions a second over all connections; undefined: as many as are answered. */
  readonly rate?: number | undefined;
  /** A fresh connection for each question. */
  readonly fresh?: boolean;
}

export interface Asker {
  readonly port: number;
  readonly name: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly sae: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly keys: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Processor of this process, µs a key: whether it is what bounds the rate. */
  readonly ownEach: number;
}

const files = new Map<string, string>();
const text = (file: string) => {
  const known = files.get(file) ?? readFileSync(file, "utf8");
  files.set(file, known);
  return known;
};

/** What this process tells: that it begins to measure, and then what came of it. */
export type LoadWord = { readonly begun: true } | { readonly result: LoadResult };

/** One connection, one question at a time. */
class Connection {
  readonly #socket: TLSSocket;
  #seen: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #waiting: ((answer: { status: number; body: string }) => void) | undefined;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isClosed = true;
      this.#waiting?.({ status: 0, body: "" });
    });
  }

  static open({ port, name, ca, cert, key }: Asker): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: "127.0.0.1",
        port,
        servername: name,
        ca: text(ca),
        cert: text(cert),
        key: text(key),
        minVersion: "TLSv1.3",
      });
      socket.setNoDelay(true);
      socket.once("error", reject);
      socket.once("secureConnect", () => resolve(new Connection(socket)));
    });
  }

  ask(request: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve({ status: 0, body: "" });
      this.#waiting = resolve;
      this.#socket.write(request, "latin1");
    });
  }

  #read(chunk: Buffer): void {
    this.#seen = this.#seen.length === 0 ? chunk : Buffer.concat([this.#seen, chunk]);
    const end = this.#seen.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#seen.toString("latin1", 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#seen.length < end + 4 + length) return;
    const body = this.#seen.toString("latin1", end + 4, end + 4 + length);
    this.#seen = this.#seen.subarray(end + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.({ status: Number(head.slice(9, 12)), body });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Why a request was refused, as the standard has it. */
const messageOf = (body: string) => /"message":"([^"]*)"/.exec(body)?.[1] ?? "";

const host = "Host: km\r\n";
/** Handshakes at a time: a KM takes no more strangers of one address than a few hundred. */
const atOnce = 32;

/** @param first is asked on each at once: a connection without a request is cut off after ten seconds */
async function openAll({ masters, connections }: LoadOrder, first: string): Promise<Connection[]> {
  const opened: Connection[] = [];
  const open = async (master: Asker) => {
    const connection = await Connection.open(master);
    await connection.ask(first);
    return connection;
  };
  while (opened.length < connections) {
    const next = Array.from({ length: Math.min(atOnce, connections - opened.length) }, (_, i) =>
      open(masters[(opened.length + i) % masters.length] as Asker),
    );
    opened.push(...(await Promise.all(next)));
  }
  return opened;
}

async function run(order: LoadOrder): Promise<LoadResult> {
  const { masters, slaves, number, warmSeconds, seconds, rate, fresh = false } = order;
  const encs = slaves.map((sae) => {
    return `GET /api/v1/keys/${sae}/enc_keys?number=${number} HTTP/1.1\r\n${host}\r\n`;
  });
  const times: number[] = [];
  const failed: Record<string, number> = {};
  let requests = 0;
  let keys = 0;
  const kept = fresh ? [] : await openAll(order, encs[0] as string);
  const fetching = await Promise.all(
    Array.from({ length: order.fetches ? order.connections : 0 }, () =>
      Connection.open(order.fetches as Asker),
    ),
  );
  const begun = performance.now();
  const measured = begun + warmSeconds * 1_000;
  const until = measured + seconds * 1_000;
  let cpuBefore = process.cpuUsage();
  setTimeout(() => {
    cpuBefore = process.cpuUsage();
    process.send?.({ begun: true } satisfies LoadWord);
  }, warmSeconds * 1_000);
  let asked = 0;
  const fail = (what: string) => {
    failed[what] = (failed[what] ?? 0) + 1;
  };
  const one = async (_: unknown, i: number) => {
    const master = masters[i % masters.length] as Asker;
    const asks = kept[i];
    const fetches = fetching[i];
    for (let turn = i; performance.now() < until; turn++) {
      let due = performance.now();
      if (rate !== undefined) {
        due = begun + (asked++ / rate) * 1_000;
        const wait = due - performance.now();
        if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      }
      const connection = asks ?? (await Connection.open(master));
      const { status, body } = await connection.ask(encs[turn % encs.length] as string);
      const counts = performance.now() >= measured;
      if (counts) requests++;
      if (fresh) connection.close();
      if (status !== 200) {
        fail(`enc ${status} ${messageOf(body)}`);
        if (status === 0) break;
        continue;
      }
      if (fetches !== undefined) {
        const ids = [...body.matchAll(/"key_ID":"([^"]+)"/g)].map(([, id]) => ({ key_ID: id }));
        const sent = JSON.stringify({ key_IDs: ids });
        const head = `POST /api/v1/keys/${master.sae}/dec_keys HTTP/1.1\r\n${host}`;
        const dec = `${head}Content-Length: ${sent.length}\r\n\r\n${sent}`;
        const got = await fetches.ask(dec);
        if (counts) requests++;
        if (got.status !== 200) {
          fail(`dec ${got.status} ${messageOf(got.body)}`);
          continue;
        }
      }
      const now = performance.now();
      if (now < measured) continue;
      keys += number;
      if (due >= measured) times.push(now - due);
    }
    asks?.close();
    fetches?.close();
  };
  await Promise.all(Array.from({ length: order.connections }, one));
  const took = (performance.now() - measured) / 1_000;
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.floor(part * (times.length - 1))] ?? Number.NaN;
  const { user, system } = process.cpuUsage(cpuBefore);
  const ownEach = (user + system) / Math.max(1, keys);
  return { requests, keys, failed, seconds: took, p50: at(0.5), p99: at(0.99), ownEach };
}

process.once("message", async (order: LoadOrder) => {
  process.send?.({ result: await run(order) } satisfies LoadWord);
  process.disconnect();
});
