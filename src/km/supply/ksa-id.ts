/** IDs of KSA-keys. Pure. */

/**
 * A random UUID (RFC 9562 §5.4): only an application that was told it can ask for it.
 * @returns 32 hexadecimal digits
 */
export function drawKsaId(random: (length: number) => Buffer): string {
  const id = random(16);
  id[6] = ((id[6] as number) & 0x0f) | 0x40;
  id[8] = ((id[8] as number) & 0x3f) | 0x80;
  return id.toString("hex");
}
