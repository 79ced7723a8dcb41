/** A password's file, as editors write it. Pure. */

/** The first line, without the mark (BOM) and line ends of editors on other systems. */
export function firstLine(text: string): string {
  return text.replace(/^\ufeff/, "").split(/\r?\n|\r$/, 1)[0] as string;
}

/**
 * Why the first line of a file is no password; the password is not quoted.
 * @param shortest characters
 */
export function passwordProblem(
  bytes: Uint8Array,
  shortest: number,
  what: "password" | "token" = "password",
): string | undefined {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return "the file is UTF-16: save it as plain text (UTF-8)";
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "the file is no UTF-8 text: save it as that";
  }
  const password = firstLine(text);
  if (password === "" && shortest <= 1) {
    return `the first line is empty, and is to be the ${what}`;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(password)) {
    return `the ${what} has control characters in it`;
  }
  if (password.length >= shortest) return undefined;
  return `the ${what} must have ${shortest} characters or more`;
}
