/** A module that speaks the dialect of `drivers/skeleton`, for the conformance suite: copy this too. */
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skeleton } from "../../drivers/skeleton/kind.ts";
import {
  blockHeadLength,
  decodeRef,
  encodeRef,
  message,
  Splitter,
  type,
} from "../../drivers/skeleton/messages.ts";
import { blockName } from "../../src/port/key.ts";
import { EmulatedSocket } from "../emulator/socket.ts";
import { keyBytes } from "./qmlp.ts";
import type { Made, Specimen } from "./specimen.ts";

const epoch = "00112233aabbccdd";

class Module {
  readonly held = new Map<string, Made>();
  id = "QKD-A-0001";
  readonly transport: EmulatedSocket;
  #offered = new Set<string>();
  #credit = { blocks: 0, bytes: 0 };
  #splitter = this.#newSplitter();
  readonly #timers: NodeJS.Timeout[];
  #sampleTimer: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.transport = new EmulatedSocket(path, {
      bytes: (chunk) => this.#splitter.push(chunk),
      drained: () => {},
    });
    this.#timers = [setInterval(() => this.#send(type.moduleAlive), 500)];
  }

  /** Offers what credit allows, oldest first. */
  offer(): void {
    for (const [name, { facts, bytes }] of this.held) {
      if (this.#offered.has(name)) continue;
      if (this.#credit.blocks < 1 || this.#credit.bytes < bytes.length) return;
      this.#credit.blocks--;
      this.#credit.bytes -= bytes.length;
      this.#offered.add(name);
      const head = Buffer.alloc(blockHeadLength);
      encodeRef(facts.ref).copy(head);
      head.writeUInt32LE(facts.bits, 16);
      head.writeDoubleLE(facts.qber ?? 0, 20);
      head.writeUInt32LE(facts.siftedBits ?? 0, 28);
      hash("sha256", bytes, "buffer").copy(head, 32);
      this.#send(type.block, Buffer.concat([head, bytes]));
    }
  }

  /** A new session: all that is held is offered again. */
  forget(): void {
    this.#offered = new Set();
    this.#credit = { blocks: 0, bytes: 0 };
    this.#splitter = this.#newSplitter();
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearInterval(this.#sampleTimer);
    this.transport.unplug();
  }

  #newSplitter(): Splitter {
    return new Splitter((messageType, payload) => this.#message(messageType, payload));
  }

  #message(messageType: number, payload: Buffer): void {
    switch (messageType) {
      case type.hello: {
        this.#offered = new Set();
        this.#credit = { blocks: 0, bytes: 0 };
        const head = Buffer.alloc(5);
        head.writeUInt32LE(1_048_576, 1);
        this.#send(type.identity, Buffer.concat([head, Buffer.from(`${this.id}\nQKD-B-0001`)]));
        return;
      }
      case type.credit:
        this.#credit.blocks += payload.readUInt32LE(0);
        this.#credit.bytes += payload.readUInt32LE(4);
        return this.offer();
      case type.release:
      case type.discard:
        this.held.delete(blockName(decodeRef(payload)));
        return this.#send(type.gone, payload);
      case type.read:
        this.#offered.delete(blockName(decodeRef(payload)));
        return this.offer();
      case type.command: {
        if (payload[0] === 4) this.held.clear();
        if (payload[0] === 6) {
          clearInterval(this.#sampleTimer);
          this.#sampleTimer = setInterval(() => this.#sample(), payload.readDoubleLE(1));
        }
        return this.#send(type.done, Buffer.alloc(1));
      }
    }
  }

  #sample(): void {
    const payload = Buffer.alloc(8);
    payload.writeDoubleLE(0.03, 0);
    this.#send(type.sample, payload);
  }

  #send(messageType: number, payload?: Buffer): void {
    this.transport.send(message(messageType, payload));
  }
}

export async function skeletonSpecimen(): Promise<Specimen> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-skeleton-"));
  const module = new Module(join(folder, "module"));
  const { transport } = module;
  const plug = async () => {
    transport.plug();
    await transport.ready();
  };
  await plug();
  let number = 0;
  const raw = (bytes: Buffer) => async () => transport.send(bytes);
  return {
    driver: (context) => skeleton.create({ address: transport.path }, context),
    distil(bits) {
      const facts = { ref: { epoch, number: number++ }, bits, qber: 0.031, siftedBits: bits * 2 };
      const made = { facts, bytes: keyBytes(facts.ref.number, bits) };
      module.held.set(blockName(facts.ref), made);
      module.offer();
      return Promise.resolve(made);
    },
    held: () => Promise.resolve([...module.held.keys()]),
    unplug: () => Promise.resolve(transport.unplug()),
    plug,
    restart: () => Promise.resolve(module.forget()),
    identity(id) {
      module.id = id;
      return Promise.resolve();
    },
    malformations: [
      { name: "a length out of range", inject: raw(Buffer.alloc(4, 0xff)) },
      { name: "a reference cut off", inject: raw(message(type.gone, Buffer.alloc(3))) },
      { name: "a block cut off", inject: raw(message(type.block, Buffer.alloc(70))) },
      { name: "an unknown message", inject: raw(message(0xf0, Buffer.alloc(9))) },
      { name: "an answer to nothing", inject: raw(message(type.done, Buffer.alloc(1))) },
    ],
    close() {
      module.close();
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}
