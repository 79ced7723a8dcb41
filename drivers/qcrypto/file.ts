/**
 * A final-key file: four little-endian words of 32 bits (tag, first epoch, number of epochs, key bits),
 * then the key in little-endian words of 32 bits, each filled from its most significant bit, the last
 * padded with zeros. Pure.
 */

export const headerLength = 16;
const tags: readonly number[] = [7, 0x107];

export interface FileHeader {
  readonly epoch: number;
  readonly epochs: number;
  /** Key bits; 0 for a block that yielded none. */
  readonly bits: number;
}

/** @returns undefined if it is not the header of a final-key file */
export function parseHeader(bytes: Buffer): FileHeader | undefined {
  if (bytes.length < headerLength || !tags.includes(bytes.readUInt32LE(0))) return undefined;
  return {
    epoch: bytes.readUInt32LE(4),
    epochs: bytes.readUInt32LE(8),
    bits: bytes.readUInt32LE(12),
  };
}

export function writeHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(headerLength);
  [tags[0] as number, header.epoch, header.epochs, header.bits].forEach((word, i) => {
    bytes.writeUInt32LE(word, i * 4);
  });
  return bytes;
}

/** Length of the whole file, bytes. */
export function fileLength(bits: number): number {
  return headerLength + 4 * Math.ceil(bits / 32);
}

/**
 * Turns the words of a file into bytes of key, or back, in place: the first bit of the key is the most
 * significant of the first byte.
 * @param words a whole number of words
 */
export function swapWords(words: Buffer): void {
  words.swap32();
}

/** File name of a block: its start epoch. */
export function fileName(epoch: number): string {
  return epoch.toString(16).padStart(8, "0");
}

/** @returns the start epoch, undefined if it is not the name of a final-key file */
export function epochOf(name: string): number | undefined {
  return /^[0-9a-f]{8}$/.test(name) ? Number.parseInt(name, 16) : undefined;
}
