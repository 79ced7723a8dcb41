/** Members that a peer's JSON has twice. Pure. */

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];
const [brace, braceEnd, bracket, bracketEnd] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Names of an object so far: most objects of a hostile body have one at most, and need no set of their own. */
type Names = Set<string> | string | undefined;

/**
 * The first member that an object of this JSON has twice: which of the two counts differs among parsers. Reads each
 * character once: a long body holds up all other requests for a few milliseconds at most.
 * @param json that was parsed
 */
export function memberTwice(json: string): string | undefined {
  const open: Names[] = [];
  let textAt = 0;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) {
      textAt = at;
      at = endOfText(json, at);
    } else if (code === brace || code === bracket) open.push(undefined);
    else if (code === braceEnd || code === bracketEnd) open.pop();
    else if (code === colon) {
      // Outside of a text there is none but after a name.
      const name = nameOf(json, textAt);
      const names = open.pop();
      if (names === name || (typeof names === "object" && names.has(name))) {
        return name.slice(0, 64);
      }
      if (names === undefined) open.push(name);
      else open.push(typeof names === "string" ? new Set([names, name]) : names.add(name));
    }
  }
  return undefined;
}

/** @param at of the quote before it @returns where the quote behind it is */
function endOfText(json: string, at: number): number {
  let end = at + 1;
  for (; json.charCodeAt(end) !== quote; end++) {
    if (json.charCodeAt(end) === backslash) end++;
  }
  return end;
}

function nameOf(json: string, at: number): string {
  const end = endOfText(json, at);
  const name = json.slice(at + 1, end);
  return name.includes("\\") ? (JSON.parse(`"${name}"`) as string) : name;
}
