/** A tar archive (POSIX.1-1988, ustar) of small files, in memory. Pure. */

export interface Member {
  /** Path inside of the archive: at most 100 bytes, ASCII, relative. */
  readonly name: string;
  readonly bytes: Buffer;
}

const block = 512;

/** @param mtime seconds since 1970 UTC @throws RangeError for a name that does not fit */
export function tar(members: readonly Member[], mtime: number): Buffer {
  const parts = members.flatMap(({ name, bytes }) => {
    const rest = bytes.length % block;
    const padding = rest === 0 ? [] : [Buffer.alloc(block - rest)];
    return [header(name, bytes.length, mtime), bytes, ...padding];
  });
  // Two empty blocks are its end.
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function header(name: string, size: number, mtime: number): Buffer {
  if (!/^[\w.][\w./-]{0,99}$/.test(name) || name.includes("..")) {
    throw new RangeError("name of a member does not fit");
  }
  const bytes = Buffer.alloc(block);
  const octal = (value: number, at: number, digits: number) =>
    bytes.write(`${Math.floor(value).toString(8).padStart(digits, "0")}\0`, at, "latin1");
  bytes.write(name, 0, "latin1");
  octal(0o600, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(Math.max(0, mtime), 136, 11);
  bytes.write("        ", 148, "latin1");
  bytes.write("0", 156, "latin1");
  bytes.write("ustar\0", 257, "latin1");
  bytes.write("00", 263, "latin1");
  bytes.write("root", 265, "latin1");
  bytes.write("root", 297, "latin1");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}
