/** The module in C behind a PTY of its own, for the conformance suite. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { driverKinds } from "../../drivers/index.ts";
import { type } from "../../drivers/qmlp/frame.ts";
import { buildPeer } from "./build-peer.ts";
import { keyBytes } from "./qmlp.ts";
import type { Made, Malformation, Specimen } from "./specimen.ts";

const epoch = "00112233aabbccdd";

/** The program, told what to do by lines. */
export class Peer {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "qkd-peer-"));
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];
  readonly #exited: Promise<void>;

  constructor() {
    this.path = join(this.#folder, "module.tty");
    this.#child = spawn(buildPeer(), [this.path], { stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve) => this.#child.once("close", () => resolve()));
    this.#child.stdin?.on("error", () => {});
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) =>
      this.#answers.shift()?.(line),
    );
  }

  /** Waits until it is there. */
  ready(): Promise<string> {
    return this.#answer();
  }

  /** @returns what follows "ok"; @throws if the program refuses */
  async tell(line: string): Promise<string> {
    const answer = this.#answer();
    this.#child.stdin?.write(`${line}\n`);
    const text = await answer;
    if (!text.startsWith("ok")) throw new Error(`peer: ${line.slice(0, 40)}: ${text}`);
    return text.slice(3);
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answer(): Promise<string> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
    });
  }
}

const reliable = 1;

/** Frames of QMLP that are right in CRC and numbers, and wrong in what they say. */
const frames: Readonly<Record<string, readonly [messageType: number, flags: number, hex: string]>> =
  {
    "MORE without a block": [type.more, reliable, "00".repeat(10)],
    "a block longer than announced": [
      type.key,
      reliable,
      `${"00".repeat(16)}f8ffffff${"00".repeat(52)}`,
    ],
    "a check it does not know": [type.key, reliable, `${"00".repeat(21)}07${"00".repeat(50)}`],
    "a header that is cut off": [type.key, reliable, "00".repeat(40)],
    "half a reference": [type.released, reliable, "00".repeat(23)],
    "an unknown message": [0x7e, reliable, "0102"],
    "a reliable message without R": [type.released, 0, "00".repeat(16)],
    "a message of the node's": [type.credit, reliable, "00".repeat(12)],
    "telemetry that runs past its end": [type.telemetry, 0, "0100ffff00000000000000000100132000"],
    "an event of no severity": [type.event, reliable, "ff".repeat(12)],
  };

/** What a program that is told by lines can have its module send. */
export function malformationsBy(tell: (line: string) => Promise<string>): Malformation[] {
  const raw = (name: string, bytes: () => Buffer): Malformation => ({
    name,
    inject: async () => void (await tell(`raw ${bytes().toString("hex")}`)),
  });
  return [
    ...Object.entries(frames).map(
      ([name, [messageType, flags, hex]]): Malformation => ({
        name,
        inject: async () => void (await tell(`frame ${messageType} ${flags} ${hex}`)),
      }),
    ),
    raw("random bytes", () => randomBytes(5_000)),
    raw("nothing but zeros", () => Buffer.alloc(5_000)),
    raw("a frame longer than allowed", () => Buffer.alloc(9_000, 0x55)),
    raw("a frame with a wrong CRC", () => Buffer.from("000b0400000000000000000000", "hex")),
  ];
}

export async function peerSpecimen(): Promise<Specimen> {
  const peer = new Peer();
  await peer.ready();
  const qmlp = driverKinds.find(({ kind }) => kind === "qmlp");
  return {
    driver(context) {
      if (qmlp === undefined) throw new Error("no driver qmlp");
      return qmlp.create({ path: peer.path, baud: 921_600, rtscts: false }, context);
    },
    async distil(bits): Promise<Made> {
      const number = Number(/\/(\d+) /.exec(await peer.tell(`distil ${bits}`))?.[1]);
      const facts = { ref: { epoch, number }, bits, qber: 0.031, siftedBits: bits * 2 };
      return { facts, bytes: keyBytes(number, bits) };
    },
    async held() {
      return (await peer.tell("held")).split(" ").filter((word) => word !== "");
    },
    unplug: async () => void (await peer.tell("unplug")),
    plug: async () => void (await peer.tell("plug")),
    restart: async () => void (await peer.tell("restart")),
    identity: async (id) => void (await peer.tell(`identity ${id}`)),
    malformations: malformationsBy((line) => peer.tell(line)),
    close: () => peer.close(),
  };
}
