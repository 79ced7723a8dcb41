/** What must be nowhere, and in which ways it could be written down. */

/** Ways in which a stretch of a key could be written down. */
export function writings(bytes: Uint8Array): Buffer[] {
  const found: Buffer[] = [];
  // Base64 of a stretch that begins at a multiple of 3 is part of the base64 of the whole.
  for (const at of [0, 48, 99]) {
    const part = Buffer.from(bytes.subarray(at, at + 24));
    const decimal = [...part].join(",");
    found.push(part);
    for (const text of [
      part.toString("hex"),
      part.toString("hex").toUpperCase(),
      part.toString("base64"),
      part.toString("base64url"),
      decimal,
      decimal.replaceAll(",", ", "),
    ]) {
      found.push(Buffer.from(text));
    }
  }
  return found;
}
