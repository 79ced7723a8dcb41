/** IDs of KSA-keys. Pure. */

/** Bytes of one. */
const length = 16;

/** Random UUIDs (RFC 9562 §5.4): only an application that was told one can ask for it. @returns 16 bytes each */
function draw(random: (length: number) => Buffer, count = 1): Buffer {
  const drawn = random(length * count);
  for (let at = 0; at < drawn.length; at += length) {
    drawn[at + 6] = ((drawn[at + 6] as number) & 0x0f) | 0x40;
    drawn[at + 8] = ((drawn[at + 8] as number) & 0x3f) | 0x80;
  }
  return drawn;
}

/**
 * Keys that are for the same applications share all but its last two bytes, which count up (`store/key-run.ts`): one may say
 * something of another.
 * @returns 32 hexadecimal digits
 */
export function drawKsaId(random: (length: number) => Buffer): string {
  return draw(random).toString("hex");
}

/** IDs of which none says anything of another. @returns 32 hexadecimal digits each */
export function drawKsaIds(random: (length: number) => Buffer, count: number): string[] {
  const drawn = draw(random, count).toString("hex");
  return Array.from({ length: count }, (_, i) => {
    return drawn.slice(i * 2 * length, (i + 1) * 2 * length);
  });
}
