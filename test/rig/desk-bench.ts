/** A desk with a real ledger, between a module and KMs that ask as a test says. */
import { readFileSync, writeFileSync } from "node:fs";
import type { KeyReply, OnRequestKeys } from "../../src/node/keys/ports.ts";
import { encodeEntry, fileHeader, recordLength } from "../../src/node/ledger/ledger-record.ts";
import { scan } from "../../src/node/ledger/ledger-scan.ts";
import { blockName, type QkdKey } from "../../src/port/key.ts";
import { claimantOf } from "../../src/wire/kq1/request.ts";
import { settle } from "../clock.ts";
import { type Bench, epoch } from "./custody-bench.ts";

export const onRequest = { onRequest: true, keyBits: 256 };

export interface Asked {
  readonly km?: string;
  readonly token?: string;
  readonly number?: number;
  readonly size?: number;
  readonly most?: number;
  readonly cut?: () => void;
}

/** Requests so far. */
let asked = 0;

export function ask(bench: Bench, { km = "km-1", token, ...more }: Asked = {}): Promise<KeyReply> {
  const claimant = claimantOf(km, "QKD-A", `request ${asked++}`);
  const wanted = { number: 1, size: 256, most: 1_000, ...more };
  return (bench.custody.desk as OnRequestKeys).request({ claimant, token, ...wanted });
}

/** Asks, and has the answer sent. @returns the keys' IDs */
export async function take(bench: Bench, wanted: Asked = {}): Promise<string[]> {
  const reply = await ask(bench, wanted);
  const taken = ids(reply);
  reply.sent?.();
  return taken;
}

export const ids = (reply: KeyReply) => reply.keys.map(({ id }) => id);
export const hex = (key: QkdKey | undefined) => Buffer.from(key?.expose() ?? []).toString("hex");
export const record = (bench: Bench, number = 0) => bench.ledger.get(blockName({ epoch, number }));

/** Everything recorded is on disk, and what follows from that has happened; no time passes. */
export async function durable(bench: Bench): Promise<void> {
  await new Promise<void>((resolve) => bench.ledger.whenDurable(resolve));
  await settle();
}

/** The module offers blocks of these lengths, bits; every byte is the block's number plus one. */
export function offer(bench: Bench, ...bits: number[]): void {
  const first = bench.module.blocks.size + bench.module.released.length;
  bits.forEach((length, i) => {
    bench.module.add(first + i, length);
  });
  bench.module.offer();
}

/** A new process, to which the module offers what it has. */
export async function restart(bench: Bench): Promise<void> {
  await bench.restart();
  bench.module.connect(bench.custody);
  bench.module.offer();
}

/** As after SIGKILL: what was told of sendings since is not recorded. */
export async function kill(bench: Bench, before: Buffer): Promise<void> {
  bench.module.disconnect();
  await bench.ledger.close();
  writeFileSync(bench.path, before);
  await restart(bench);
}

/** Makes the ledger's file anew from the fewest entries that say the same. */
export async function compact(bench: Bench): Promise<void> {
  await bench.ledger.close();
  const entries = [...scan(readFileSync(bench.path), bench.path).index.entries()];
  const made = Buffer.alloc((entries.length + 1) * recordLength);
  fileHeader(0).copy(made);
  for (const [i, entry] of entries.entries()) encodeEntry(entry, 0, made, (i + 1) * recordLength);
  writeFileSync(bench.path, made);
  await restart(bench);
}

export const token = "a token of some length";
