/**
 * Memory for key that is used over and over: what is made anew for each batch comes from the kernel, which fills every
 * page of it with zeros first. That was a third of the processor at 115 Mbit/s.
 */
import { keepSpareMemory, keyMemory, wipeMemory } from "../../../port/key.ts";

/** Memory comes in multiples of this; less than half of it is made to measure, bytes. */
const granule = 32_768;
/** Kept for later at most, bytes. */
const kept = 8_388_608;
/** Pieces of a mebibyte that go out of the store, and are wiped elsewhere, of a relay at both ends of it. */
const sparePieces = 6;

/** The one that was given back last is at the end. */
const free: ArrayBuffer[] = [];
let freeBytes = 0;
/** The least that was free since the last {@link releaseKeyMemory}. */
let spareBytes = 0;

/** @returns memory of exactly so many bytes, to be given to {@link giveKeyMemory}. The content is undefined */
export function takeKeyMemory(length: number): Buffer {
  if (length < granule / 2) return keyMemory(length);
  let best = -1;
  for (const [i, { byteLength }] of free.entries()) {
    const fits = byteLength >= length && byteLength <= 2 * length + granule;
    if (fits && byteLength < (free[best]?.byteLength ?? Number.POSITIVE_INFINITY)) best = i;
  }
  const [memory] = best < 0 ? [] : free.splice(best, 1);
  if (memory === undefined) {
    return Buffer.allocUnsafeSlow(Math.ceil(length / granule) * granule).subarray(0, length);
  }
  freeBytes -= memory.byteLength;
  spareBytes = Math.min(spareBytes, freeBytes);
  return Buffer.from(memory, 0, length);
}

/** Gives back what was not needed since the last call: a burst is over. */
export function releaseKeyMemory(): void {
  keepSpareMemory(sparePieces);
  for (let left = spareBytes; (free[0]?.byteLength ?? left + 1) <= left; ) left -= dropOldest();
  spareBytes = freeBytes;
}

function dropOldest(): number {
  const oldest = free.shift() as ArrayBuffer;
  const { byteLength } = oldest;
  freeBytes -= byteLength;
  oldest.transfer(0);
  return byteLength;
}

/** How many bytes there are of it: what is asked for is rounded up. */
export function keyMemoryRoom({ buffer }: Buffer): number {
  return buffer.byteLength;
}

/** Wipes memory of {@link takeKeyMemory}, of which no view may be left: another batch is put there next. */
export function giveKeyMemory(bytes: Buffer): void {
  const { buffer } = bytes;
  const isPooled = buffer.byteLength >= granule && buffer.byteLength % granule === 0;
  if (!isPooled || buffer.byteLength > kept) return wipeMemory(Buffer.from(buffer));
  bytes.fill(0);
  while (freeBytes + buffer.byteLength > kept) dropOldest();
  spareBytes = Math.min(spareBytes, freeBytes);
  free.push(buffer as ArrayBuffer);
  freeBytes += buffer.byteLength;
}
