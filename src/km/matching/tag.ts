/** Nonces of the keyed hashes of a session: each is used for one message only. Pure. */

/** 12 bytes for the hash over a batch. */
export function batchNonce(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(0x62_61_74_63, 0);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

/** 12 bytes for the hash over a KSA-key, from its ID, whose bits are drawn. */
export function keyNonce(id: Uint8Array): Buffer {
  return Buffer.from(id.subarray(0, 12));
}
