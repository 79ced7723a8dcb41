/** IDs of KSA-keys. Pure. */

/** Bytes of one. */
const length = 16;
/** The last bytes count where there are several for one set of applications. */
const counted = 2;
const counts = 2 ** (8 * counted);

/** Random UUIDs (RFC 9562 §5.4): only an application that was told one can ask for it. @returns 16 bytes each */
function draw(random: (length: number) => Buffer, count = 1): Buffer {
  const drawn = random(length * count);
  for (let at = 0; at < drawn.length; at += length) {
    drawn[at + 6] = ((drawn[at + 6] as number) & 0x0f) | 0x40;
    drawn[at + 8] = ((drawn[at + 8] as number) & 0x3f) | 0x80;
  }
  return drawn;
}

/** @returns 32 hexadecimal digits */
export function drawKsaId(random: (length: number) => Buffer): string {
  return draw(random).toString("hex");
}

/** IDs of which none says anything of another. @returns 32 hexadecimal digits each */
export function drawUnlikeKsaIds(random: (length: number) => Buffer, count: number): string[] {
  const drawn = draw(random, count).toString("hex");
  return Array.from({ length: count }, (_, i) => {
    return drawn.slice(i * 2 * length, (i + 1) * 2 * length);
  });
}

/**
 * IDs of keys that are for the same applications: they share all but their last two bytes, which count up from a random
 * number (after FFFF comes 0). The books look up one of them instead of each.
 * @param count up to 65,536
 * @returns 32 hexadecimal digits each
 */
export function drawKsaIds(random: (length: number) => Buffer, count: number): string[] {
  const drawn = draw(random);
  const first = drawn.readUInt16BE(length - counted);
  const stem = drawn.toString("hex", 0, length - counted);
  return Array.from({ length: count }, (_, i) => {
    return stem + (((first + i) % counts) + counts).toString(16).slice(1);
  });
}
