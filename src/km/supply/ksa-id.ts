/** IDs of KSA-keys. Pure. */

/** Bytes of one. */
const length = 16;

/**
 * Random UUIDs (RFC 9562 §5.4): only an application that was told one can ask for it.
 * @returns 32 hexadecimal digits each
 */
export function drawKsaIds(random: (length: number) => Buffer, count: number): string[] {
  const drawn = random(length * count);
  const ids: string[] = [];
  for (let at = 0; at < drawn.length; at += length) {
    drawn[at + 6] = ((drawn[at + 6] as number) & 0x0f) | 0x40;
    drawn[at + 8] = ((drawn[at + 8] as number) & 0x3f) | 0x80;
    ids.push(drawn.toString("hex", at, at + length));
  }
  return ids;
}

/** One of {@link drawKsaIds}. */
export function drawKsaId(random: (length: number) => Buffer): string {
  return drawKsaIds(random, 1)[0] as string;
}
