/** What a PROPOSE and an OFFER are recognised by when they are answered. */
import { createHash } from "node:crypto";
import type { Offer, Propose } from "./messages.ts";

/** SHA-256 over all of a PROPOSE but its tag, which is another in each session. 32 bytes. */
export function proposeDigest(message: Omit<Propose, "tag" | "type">): Buffer {
  const { number, modules, ids, lengths, unit, split } = message;
  return createHash("sha256")
    .update(JSON.stringify(["kx propose", number, modules, unit, split, lengths]))
    .update("\0")
    .update(ids)
    .digest();
}

/** SHA-256 over an OFFER. 32 bytes. */
export function offerDigest({ offer, use, pickUp, keys }: Omit<Offer, "type">): Buffer {
  const hash = createHash("sha256").update(
    JSON.stringify(["kx offer", use ?? null, pickUp, keys.map(({ ranges }) => ranges)]),
  );
  hash.update("\0").update(offer);
  for (const { id, tag } of keys) hash.update(id).update(tag);
  return hash.digest();
}
