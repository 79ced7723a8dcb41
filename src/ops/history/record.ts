/**
 * Buckets of the past as bytes of a file: a line that names the figures, then records of one length,
 * each with its checksum. Figures alone: no key has a place in it. Pure.
 */
import { crc32 } from "node:zlib";
import type { DayBucket, Tally } from "./history.ts";

const format = "qkd-node-history/1";
const timeLength = 8;
/** count u16, mean, least and most as 32-bit floats */
const tallyLength = 14;
const crcLength = 4;
const longestHead = 4_096;

/** The line that a file begins with. */
export function encodeHead(names: readonly string[]): Buffer {
  return Buffer.from(`${format} ${names.join(",")}\n`, "latin1");
}

/** Bytes of one record. */
export function recordLength(figures: number): number {
  return timeLength + figures * tallyLength + crcLength;
}

/** @param bucket with its time in ms since 1970 UTC */
export function encodeRecord({ at, tallies }: DayBucket): Buffer {
  const record = Buffer.alloc(recordLength(tallies.length));
  record.writeDoubleLE(at, 0);
  tallies.forEach((tally, i) => {
    if (tally === undefined) return;
    const to = timeLength + i * tallyLength;
    record.writeUInt16LE(Math.min(0xffff, tally.count), to);
    record.writeFloatLE(tally.mean, to + 2);
    record.writeFloatLE(tally.min, to + 6);
    record.writeFloatLE(tally.max, to + 10);
  });
  const end = record.length - crcLength;
  record.writeUInt32LE(crc32(record.subarray(0, end)), end);
  return record;
}

export interface Segment {
  /** Whole records that are good, in their order. */
  readonly buckets: readonly DayBucket[];
  /** Whether more can be appended: the figures are those of now, and no record is torn. */
  readonly usable: boolean;
}

function readTally(record: Buffer, i: number): Tally {
  const from = timeLength + i * tallyLength;
  const count = record.readUInt16LE(from);
  if (count === 0) return undefined;
  const [mean, min, max] = [2, 6, 10].map((more) => record.readFloatLE(from + more)) as [
    number,
    number,
    number,
  ];
  return { count, mean, min, max };
}

/**
 * Reads a file. Records that are damaged are left out; figures that it does not have are missing.
 * @param names the figures wanted, in this order
 */
export function decodeSegment(bytes: Buffer, names: readonly string[]): Segment {
  const end = bytes.subarray(0, longestHead).indexOf(0x0a);
  const head = bytes.toString("latin1", 0, Math.max(0, end));
  if (!head.startsWith(`${format} `)) return { buckets: [], usable: false };
  const there = head.slice(format.length + 1).split(",");
  const places = names.map((name) => there.indexOf(name));
  const length = recordLength(there.length);
  const buckets: DayBucket[] = [];
  let at = end + 1;
  for (; at + length <= bytes.length; at += length) {
    const record = bytes.subarray(at, at + length);
    const sum = length - crcLength;
    if (record.readUInt32LE(sum) !== crc32(record.subarray(0, sum))) continue;
    const tallies = places.map((i) => (i < 0 ? undefined : readTally(record, i)));
    buckets.push({ at: record.readDoubleLE(0), tallies });
  }
  return { buckets, usable: at === bytes.length && there.join() === names.join() };
}
