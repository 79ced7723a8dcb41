import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import test from "ava";
import { type OneNode, withNode } from "../rig/one-node.ts";
import { markLength, occurrences } from "../rig/process-memory.ts";

/** Keys that all begin alike, with what nothing else begins with, and go on so when they are long. */
class Marked {
  readonly #mark = randomBytes(markLength);
  /** As they are, and in base64 and hex. */
  readonly patterns = [
    this.#mark,
    Buffer.from(this.#mark.toString("base64")),
    Buffer.from(this.#mark.toString("hex")),
  ];

  /** @param bytes 32, or a multiple of 30, in which base64 begins anew at each mark */
  key(bytes: number): Buffer {
    const parts = Array.from({ length: this.marksIn(bytes) }, () =>
      Buffer.concat([this.#mark, randomBytes((bytes === 32 ? 32 : 30) - markLength)]),
    );
    return Buffer.concat(parts);
  }

  marksIn(bytes: number): number {
    return bytes === 32 ? 1 : bytes / 30;
  }

  /** How often a mark is in a node's memory. */
  in(node: { readonly pid: number | undefined }): number {
    return node.pid === undefined ? 0 : occurrences(node.pid, this.patterns);
  }
}

const transports = ["tls", "https"] as const;

/** A key of the usual length, and one that is longer than a page of memory. */
const lengths = [
  { keys: 1_000, bytes: 32 },
  { keys: 40, bytes: 9_600 },
] as const;

for (const { keys, bytes } of lengths) {
  test.serial(
    `after ${keys} keys of ${bytes} bytes were supplied, the node's memory holds none of them`,
    async (t) => {
      for (const transport of transports) {
        await withNode(
          { transport, mode: "proactive" },
          async ({ node, km, end, distil, until }) => {
            const marked = new Marked();
            // That the search finds what is there: keys that wait for a KM which takes none.
            await km.stop();
            for (let i = 0; i < 20; i++) distil(marked.key(bytes));
            await until("keys are in memory", () => marked.in(node), {
              atLeast: 20 * marked.marksIn(bytes),
            });
            await km.listen();
            for (let i = 20; i < keys; i++) distil(marked.key(bytes));
            await until("blocks that the module holds", () => end.module.heldBlocks, { is: 0 });
            await until("keys at the KM", () => km.store.size, { is: keys });
            // What is in flight is wiped when its write has come back.
            t.is(await until(`marks, ${transport}`, () => marked.in(node), { is: 0 }), 0);
          },
        );
      }
    },
  );

  test.serial(
    `of ${keys} keys of ${bytes} bytes, the node's memory holds those that were not asked for`,
    async (t) => {
      for (const transport of transports) {
        const keyBits = bytes * 8;
        await withNode({ transport, mode: "on_request", keyBits }, async (bench) => {
          const { node, distil, until } = bench;
          const marked = new Marked();
          const all = keys * marked.marksIn(bytes);
          for (let i = 0; i < keys / 4; i++) {
            distil(Buffer.concat(Array.from({ length: 4 }, () => marked.key(bytes))));
          }
          await until("keys are in memory", () => marked.in(node), { atLeast: all });
          // All but two of the last block, which stays in memory with them.
          const wanted = keys - 2;
          for (let got = 0; got < wanted; ) {
            const number = Math.min(transport === "tls" ? 5 : 50, wanted - got);
            got += await ask(bench, transport, number, keyBits);
          }
          // What is in flight is wiped when its write has come back.
          const left = 2 * marked.marksIn(bytes);
          t.is(await until(`marks, ${transport}`, () => marked.in(node), { is: left }), left);
        });
      }
    },
  );
}

/** @returns how many keys there were */
async function ask(
  { km, folder, serverPort }: OneNode,
  transport: (typeof transports)[number],
  number: number,
  size: number,
): Promise<number> {
  if (transport === "tls") {
    // Not before the node has connected.
    return km.request({ number, size }).then(
      ({ ids }) => ids.length,
      () => 0,
    );
  }
  const file = (name: string) => readFileSync(join(folder, name));
  const where = { host: "127.0.0.1", port: serverPort, servername: "node" };
  const path = `/api/v1/keys/QKD-B-0001/enc_keys?number=${number}&size=${size}`;
  const who = { ca: file("ca.crt"), cert: file("km.crt"), key: file("km.key") };
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    request({ ...where, ...who, path }, resolve)
      .once("error", reject)
      .end(),
  );
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()).keys.length;
}
