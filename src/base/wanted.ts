/**
 * Whether its answer can still be heard: false from when its application has gone away. It asks again, and what is not given
 * by then is there for that question.
 */
export type IsWanted = () => boolean;

export const always: IsWanted = () => true;
