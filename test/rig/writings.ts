/** What must be nowhere, and in which ways it could be written down. */

/** A stretch of bytes as it is, and as text could have it. */
export function spellings(stretch: Uint8Array): Buffer[] {
  const bytes = Buffer.from(stretch);
  const decimal = [...bytes].join(",");
  const texts = [
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    bytes.toString("base64"),
    bytes.toString("base64url"),
    decimal,
    decimal.replaceAll(",", ", "),
  ];
  return [bytes, ...texts.map((text) => Buffer.from(text))];
}

/** Ways in which a stretch of a key could be written down. */
export function writings(bytes: Uint8Array): Buffer[] {
  // Base64 of a stretch that begins at a multiple of 3 is part of the base64 of the whole.
  return [0, 48, 99].flatMap((at) => spellings(bytes.subarray(at, at + 24)));
}
