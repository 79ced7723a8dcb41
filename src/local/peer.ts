/**
 * Who is at the other end of a Unix socket, as the kernel says (SO_PEERCRED). For the audit alone:
 * who may do what is decided by the modes of the sockets, in the kernel.
 */
import type { Socket } from "node:net";
import { endianness } from "node:os";

export interface Peer {
  readonly pid: number;
  /** 65534 for anybody whom the node's user namespace does not know. */
  readonly uid: number;
}

const solSocket = 1;
const soPeercred = 17;

type GetSockOpt = (fd: number, level: number, name: number, value: Buffer, size: Buffer) => number;
let getSockOpt: Promise<GetSockOpt> | undefined;

/** Loaded upon the first action: most nodes never see one. */
async function load(): Promise<GetSockOpt> {
  const { default: koffi } = await import("koffi");
  return koffi.load(null).func("int getsockopt(int, int, int, void *, void *)") as GetSockOpt;
}

/** @returns undefined where that cannot be found out */
export async function peerOf(socket: Socket): Promise<Peer | undefined> {
  try {
    getSockOpt ??= load();
    const call = await getSockOpt;
    const { fd = -1 } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {};
    if (fd < 0) return undefined;
    const value = Buffer.alloc(12);
    const size = Buffer.alloc(4);
    const little = endianness() === "LE";
    if (little) size.writeUInt32LE(value.length);
    else size.writeUInt32BE(value.length);
    if (call(fd, solSocket, soPeercred, value, size) !== 0) return undefined;
    const word = (at: number) => (little ? value.readUInt32LE(at) : value.readUInt32BE(at));
    return { pid: word(0), uid: word(4) };
  } catch {
    return undefined;
  }
}
