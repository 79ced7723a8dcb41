/** A DNS server on loopback that answers for the names that it is told, and for no other. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";

/** `none`: there is no such name. A name that is not listed is never answered for. */
export type Zone = Record<string, readonly string[] | "none">;

const types: Readonly<Record<number, (address: string) => boolean>> = {
  1: (address) => !isIPv6(address),
  28: isIPv6,
};

export class DnsServer {
  readonly zone: Zone;
  /** Questions that came: names, once for each type. */
  readonly asked: string[] = [];
  readonly #socket: Socket;

  private constructor(zone: Zone, socket: Socket) {
    this.zone = zone;
    this.#socket = socket;
    socket.on("message", (message, { address, port }) => {
      const answer = this.#answer(message);
      if (answer !== undefined) socket.send(answer, port, address);
    });
  }

  static async open(zone: Zone): Promise<DnsServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return new DnsServer(zone, socket);
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(question: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join(".").toLowerCase();
    this.asked.push(name);
    const entry = this.zone[name];
    if (entry === undefined) return undefined;
    const fits = types[question.readUInt16BE(at + 1)] ?? (() => false);
    const addresses = entry === "none" ? [] : entry.filter(fits);
    const head = Buffer.from(question.subarray(0, at + 5));
    head.writeUInt16BE(entry === "none" ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(addresses.length, 6);
    head.writeUInt32BE(0, 8);
    return Buffer.concat([head, ...addresses.map(record)]);
  }
}

function record(address: string): Buffer {
  const bytes = isIPv6(address) ? ipv6(address) : Buffer.from(address.split(".").map(Number));
  const head = Buffer.from([0xc0, 12, 0, isIPv6(address) ? 28 : 1, 0, 1, 0, 0, 0, 60, 0, 0]);
  head.writeUInt16BE(bytes.length, 10);
  return Buffer.concat([head, bytes]);
}

function ipv6(address: string): Buffer {
  const [before = "", after = ""] = address.split("::");
  const groups = (text: string) => text.split(":").filter((group) => group !== "");
  const [first, last] = [groups(before), groups(after)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return Buffer.from(
    [...first, ...zeros, ...last].map((group) => group.padStart(4, "0")).join(""),
    "hex",
  );
}
