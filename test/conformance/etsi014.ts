/** A pair of KMEs by ETSI GS QKD 014 and the driver at the other end, for the conformance suite. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { type BatchFacts, digestOf } from "../../drivers/etsi014/batch.ts";
import { etsi014 } from "../../drivers/etsi014/kind.ts";
import { dialPeer } from "../../drivers/etsi014/peer-line.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { Batches } from "../../src/node/spool/batches.ts";
import { whenNeeded } from "../../src/node/spool/spooled.ts";
import { type BlockRef, blockName } from "../../src/port/key.ts";
import type { DriverContext, ModuleDriver, ModuleSession } from "../../src/port/module.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "../rig/free-port.ts";
import { driverOptions, type KmeEnd, KmePair, kmeCertificates } from "../rig/kme-pair.ts";
import { plenty } from "./cases/case.ts";
import type { Made, Malformation, Specimen } from "./specimen.ts";

const epoch = "0123456789abcdef";
const never = new AbortController().signal;
const spoolKey = () => Buffer.alloc(32, 7);

function spoolAt(folder: string): () => Promise<Batches> {
  const options = { files: diskFiles, folder, maxBytes: 40_000_000 };
  return whenNeeded((key) => Batches.open({ ...options, key }), spoolKey);
}

/** What stands on the disk of a leader that has been there before: the next number is known then. */
const before: BatchFacts = {
  version: 1,
  state: "spent",
  keys: [],
  digest: digestOf([]),
  lost: [],
  gone: [],
  count: 0,
  at: 0,
};

/** Blocks that are on a disk, and were not let go of; looked at in a copy, since the driver goes on. */
async function onDisk(folder: string, states = ["told", "open", "both"]): Promise<BlockRef[]> {
  const copy = mkdtempSync(join(tmpdir(), "qkd-look-"));
  try {
    return await eventually("the spool can be looked at", async () => {
      rmSync(copy, { recursive: true });
      try {
        cpSync(folder, copy, { recursive: true });
        return await blocksIn(copy, states);
      } catch {
        // Something was exchanged meanwhile.
        mkdirSync(copy, { recursive: true });
        return undefined as never;
      }
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function blocksIn(folder: string, states: readonly string[]): Promise<BlockRef[]> {
  const spool = await spoolAt(folder)();
  const found: BlockRef[] = [];
  for (const first of spool.list()) {
    const facts = (await spool.get(first))?.facts as BatchFacts | undefined;
    if (facts === undefined || !states.includes(facts.state)) continue;
    facts.keys.forEach((_, i) => {
      if (facts.lost.includes(i) || facts.gone.includes(i)) return;
      found.push({ epoch: first.epoch, number: first.number + i });
    });
  }
  return found;
}

let certificates: Promise<string> | undefined;

/** Of all tests of a process: to make keys takes a while. */
function certified(): Promise<string> {
  certificates ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-kme-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    await kmeCertificates(folder);
    return folder;
  })();
  return certificates;
}

/** The driver at the other end, whose KM takes whatever comes: connected anew for as long as it is wanted. */
class OtherEnd {
  readonly #driver: ModuleDriver;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(driver: ModuleDriver) {
    this.#driver = driver;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const session = await this.#connect().catch(() => undefined);
      if (session === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      const stopped = new Promise((resolve) => signal.addEventListener("abort", resolve));
      if (!signal.aborted) await Promise.race([stopped, session.ended]);
      await session.close();
    }
  }

  async #connect(): Promise<ModuleSession> {
    let session: ModuleSession | undefined;
    const sink = {
      block: (block: { readonly ref: BlockRef; readonly byteLength: number; wipe(): void }) => {
        const bytes = block.byteLength;
        block.wipe();
        queueMicrotask(() => {
          session?.release([block.ref]);
          session?.grant(1, bytes);
        });
      },
      damaged: () => {},
      released: () => {},
      telemetry: () => {},
      absent: () => {},
      event: () => {},
    };
    session = await this.#driver.connect(sink, this.#stop.signal);
    session.grant(plenty.blocks, plenty.bytes);
    return session;
  }
}

/** @param end `a`: the driver that leads is looked at; `b`: the one that follows */
export function etsi014Specimen(end: KmeEnd): () => Promise<Specimen> {
  return async () => {
    const root = mkdtempSync(join(tmpdir(), "qkd-etsi014-"));
    const pair = await KmePair.start(await certified(), { fixed: 0 });
    const port = await freePort();
    const spools = { a: join(root, "spool-a"), b: join(root, "spool-b") };
    await (await spoolAt(spools.a)()).put({ epoch, number: 0 }, before, Buffer.alloc(0));
    let moduleId = end === "a" ? "QKD-A-0001" : "QKD-B-0001";
    const options = (of: KmeEnd) => {
      const given = driverOptions(pair, of, port, { status_s: 0.1 });
      const own = of === end ? "module_id" : "matching_module_id";
      return v.parse(etsi014.options, { ...given, [own]: moduleId });
    };
    const create = (of: KmeEnd, context: DriverContext) =>
      etsi014.create(options(of), { ...context, spool: spoolAt(spools[of]) });
    const start = () =>
      new OtherEnd(create(end === "a" ? "b" : "a", { clock: systemClock, log: silentLog }));
    let other = start();
    const made: string[] = [];
    let zeroized = false;
    const malformation = (name: string, act: () => Promise<unknown>): Malformation => ({
      name,
      inject: async () => void (await act()),
    });
    const odd = (what: string, of: string) =>
      malformation(`${what} for an answer to ${of}`, async () => {
        const odd_end = end === "a" ? 0 : 1;
        await pair.ask({ set: { odd: what, odd_of: of, odd_end } });
        if (of !== "status") return;
        const answered = async () => (await pair.ask({ settings: true })).settings?.odd_of === "";
        await eventually("it is answered", answered);
      });
    const keys = end === "a" ? "enc_keys" : "dec_keys";
    const { peer } = options("a");
    const stranger = malformation("nonsense over the connection of the drivers", async () => {
      const socket = await dialPeer({ ...peer, files: peer, clock: systemClock }, never);
      socket.on("error", () => {});
      socket.end(Buffer.alloc(64, 0xff));
    });
    return {
      driver(context) {
        const driver = create(end, context);
        return {
          ...driver,
          async connect(sink, signal) {
            const session = await driver.connect(sink, signal);
            const command = session.command.bind(session);
            session.command = (one) => {
              zeroized ||= one.name === "zeroize";
              return command(one);
            };
            return session;
          },
        };
      },
      async distil(wanted): Promise<Made> {
        // KMEs have keys of whole bytes, and none without a bit.
        const bits = Math.max(8, 8 * Math.ceil(wanted / 8));
        const [id = ""] = (await pair.ask({ make: 1, bits })).made ?? [];
        const bytes = Buffer.from((await pair.ask({ keys: [id] })).keys?.[id] ?? "", "hex");
        const ref = { epoch, number: made.length };
        made.push(id);
        return { facts: { ref, bits }, bytes };
      },
      async held() {
        const here = await onDisk(spools[end]);
        const names = here.map(blockName);
        if (zeroized && end === "b") return names;
        // What the KMEs have is drawn next, under the numbers that follow.
        const { stock = [] } = await pair.ask({ stock: true });
        const told = await onDisk(spools.a, ["told"]);
        const waiting = made.flatMap((id, number) => {
          const name = blockName({ epoch, number });
          const isOnWay = stock.includes(id) || told.some((ref) => blockName(ref) === name);
          return isOnWay && !names.includes(name) ? name : [];
        });
        return [...names, ...waiting];
      },
      unplug: async () => void (await pair.ask({ down: [end === "a" ? 0 : 1] })),
      plug: async () => void (await pair.ask({ up: [end === "a" ? 0 : 1] })),
      restart: async () => {
        await pair.ask({ down: [0, 1] });
        await pair.ask({ up: [0, 1] });
      },
      async identity(id) {
        moduleId = id;
        await other.close();
        other = start();
      },
      malformations: [
        ...["nothing", "list", "text", "numbers", "teapot"].map((what) => odd(what, "status")),
        ...["text", "no_key", "no_base64", "no_uuid", "no_length", "teapot"].map((what) =>
          odd(what, keys),
        ),
        ...(end === "b" ? [stranger] : []),
      ],
      async close() {
        await other.close();
        await pair.close();
        rmSync(root, { recursive: true, force: true });
      },
    };
  };
}
