/** Where an extent is in the volumes, and how long it is there. */
import type { KeyObject } from "node:crypto";
import type { ExtentRow } from "./ledger.ts";

/** Where an extent is, with what opens it. */
export interface Place extends ExtentRow {
  /** Undefined until it is first read after a start. */
  key: KeyObject | undefined;
  /** Of the store's keys, the one that wraps it; 0 where a store is looked at as it is. */
  by: number;
}

/** An extent to be written: its whole bytes. */
export interface NewBytes {
  readonly link: string;
  readonly number: number;
  readonly bytes: Buffer;
  /** Numbers of stretches that are given up: nothing is to open them. */
  readonly holes?: readonly number[];
}

/** Bytes before the first stretch. */
export const headerLength = 128;
/** Bytes of key that are sealed together, and read together. */
export const stretch = 16_384;
export const tagLength = 16;

export function placeName(link: string, number: number): string {
  return `${number} ${link}`;
}

/** Bytes on the disk of an extent of so many bytes of key. */
export function sealedLength(length: number): number {
  return headerLength + length + Math.ceil(length / stretch) * tagLength;
}

/** What is sealed together with the bytes of an extent: they open as those of no other. */
export function aboutExtent(link: string, number: number, length: number): Buffer {
  return Buffer.from(JSON.stringify(["extent", link, number, length]), "utf8");
}
