/** Longest payload of a message, bytes. */

/** Every broker and every cluster takes this much. */
export const maxPayload = 16_384;
