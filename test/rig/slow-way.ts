/**
 * A network device whose other end is far away: what is sent to 10.9.0.2 comes back 0.2 s later with its
 * addresses exchanged, so that a server on 10.9.0.1 is what answers there. IPv6 goes in and never comes
 * out. Run in a network namespace of its own; it says `ready`, and goes on until it is killed.
 */
import { execFileSync } from "node:child_process";
import { constants, openSync, read, writeSync } from "node:fs";
import koffi from "koffi";
import { find } from "../find.ts";

const wayMs = 200;
/** `TUNSETIFF`, `IFF_TUN | IFF_NO_PI`: packets as they are. */
const setName = 0x400454ca;
const plainTun = 0x1001;

const ioctl = koffi.load("libc.so.6").func("int ioctl(int, unsigned long, uint8_t *)");
const device = openSync("/dev/net/tun", constants.O_RDWR);
const wanted = Buffer.alloc(40);
wanted.write("far");
wanted.writeUInt16LE(plainTun, 16);
if (ioctl(device, setName, wanted) !== 0) throw new Error("the system gives no tun device");
for (const line of [
  "addr add 10.9.0.1/24 dev far",
  "-6 addr add 2001:db8::1/64 dev far nodad",
  "link set far up",
]) {
  execFileSync(find("ip") ?? "ip", line.split(" "));
}

const packet = Buffer.alloc(65_536);

function next(): void {
  read(device, packet, 0, packet.length, null, (error, length) => {
    if (error !== null) throw error;
    if (packet.readUInt8(0) >> 4 === 4) {
      const there = Buffer.from(packet.subarray(0, length));
      const back = Buffer.from(there);
      there.copy(back, 12, 16, 20);
      there.copy(back, 16, 12, 16);
      setTimeout(() => writeSync(device, back), wayMs);
    }
    next();
  });
}

next();
process.stdout.write("ready\n");
