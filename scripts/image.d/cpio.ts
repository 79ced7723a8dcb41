/** A cpio archive as the kernel reads it ("newc"), the same bytes for the same files every time. */

export interface Entry {
  readonly path: string;
  /** With the bits of its kind, such as 0o100644. */
  readonly mode: number;
  readonly content: Buffer;
}

/** Folders are made for what is in them. */
export function cpio(entries: readonly Entry[]): Buffer {
  const folders = new Set<string>();
  for (const { path } of entries) {
    const parts = path.split("/").slice(0, -1);
    for (let i = 1; i <= parts.length; i++) folders.add(parts.slice(0, i).join("/"));
  }
  const all = [
    ...[...folders].map((path): Entry => ({ path, mode: 0o040755, content: Buffer.alloc(0) })),
    ...entries,
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const chunks = all.map((entry, i) => record(entry, i + 1));
  chunks.push(record({ path: "TRAILER!!!", mode: 0, content: Buffer.alloc(0) }, 0));
  return Buffer.concat(chunks);
}

function record({ path, mode, content }: Entry, inode: number): Buffer {
  const links = mode >> 12 === 0o04 ? 2 : 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, path.length + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([padded(Buffer.from(`${head}${path}\0`)), padded(content)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
