/** One page of HTML from parts: the frame that all programs share, and what is in a program's own folder. Pure. */

/** Words of a program in its page. */
export interface PageWords {
  /** As a person calls it: `QKD node`. */
  readonly title: string;
  /** In a sentence: `the node`. */
  readonly called: string;
  /** Its command: `qkd-node`. */
  readonly command: string;
}

/** A line of its own: `<!-- include main -->`. */
const include = /^( *)<!-- include ([a-z-]+) -->\n/gm;
/** A part that includes itself would never end. */
const deepest = 4;

/**
 * @param text HTML with includes
 * @param part the text that an include stands for; empty for one that the program does not have
 * @throws Error if parts are nested too deeply
 */
function filled(text: string, part: (name: string) => string, depth = 0): string {
  if (depth > deepest) throw new Error("parts of the page include each other");
  return text.replace(include, (_, indent: string, name: string) =>
    filled(part(name), part, depth + 1).replace(/^(?=.)/gm, indent),
  );
}

/** @throws Error if parts are nested too deeply */
export function composed(
  frame: string,
  part: (name: string) => string,
  { title, called, command }: PageWords,
): string {
  return filled(frame, part)
    .replaceAll("PROGRAM", () => title)
    .replaceAll("CALLED", () => called)
    .replaceAll("COMMAND", () => command);
}
