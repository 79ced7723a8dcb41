/** Reads a file of records from its beginning to its end. */
import type { OpenFile } from "../../host/disk/files.ts";

/** A file is read in such pieces, bytes: other work comes between. */
const pieceBytes = 1_048_576;

export class Reader {
  readonly #file: OpenFile;
  readonly #end: number;
  #piece: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: OpenFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  /** @returns fewer bytes where the file ends before; they are good until the next call */
  async read(at: number, length: number): Promise<Buffer> {
    const inside = at >= this.#start && at + length <= this.#start + this.#piece.length;
    if (!inside) {
      const wanted = Math.min(Math.max(length, pieceBytes), Math.max(0, this.#end - at));
      const piece = Buffer.allocUnsafe(wanted);
      let got = 0;
      while (got < wanted) {
        const { bytesRead } = await this.#file.read(piece, got, wanted - got, at + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      this.#piece = piece.subarray(0, got);
      this.#start = at;
    }
    return this.#piece.subarray(at - this.#start, at - this.#start + length);
  }
}
