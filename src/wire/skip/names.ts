/** Names of SKIP, the Secure Key Integration Protocol (draft-cisco-skip), as it spells them. */

/** Members of answers. */
export const member = {
  entropy: "entropy",
  key: "key",
  algorithm: "algorithm",
  localSystem: "localSystemID",
  remoteSystem: "remoteSystemID",
  keyId: "keyId",
  random: "randomStr",
  bits: "minentropy",
  message: "message",
} as const;

/** Parameters of requests. */
export const parameter = {
  remoteSystem: "remoteSystemID",
  size: "size",
  bits: "minentropy",
} as const;

/**
 * An identity of TLS-PSK. A client that resumes shows a ticket before it, 32 bytes of chance, which TLS hands on up to
 * the first zero: the more an identity differs from that, the better they are told apart.
 */
export const identityForm = /^[\x21-\x7e]{4,128}$/;

/** How keys are made, as `/capabilities` tells it. */
export const algorithm = "QKD";
/** Of a key or of entropy for which no length was asked, bits. */
export const standardBits = 256;
/** Most entropy of one request, bits. */
export const mostEntropyBits = 16_384;
/** Longest system ID, characters. */
export const longestSystemId = 128;
