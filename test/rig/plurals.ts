/** `1 keys`; a verb after a number may end in an s. */
export const pluralOfOne = /(?<!\d[ .])\b1 (?!was\b|is\b|has\b|waits\b|ms\b)[a-z]+s\b/;
