/**
 * The other side of the Kq-1 benchmarks: answers `success` to whatever is supplied, and looks at no more
 * of it than it must. Not a KM: `scripts/km` is one.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:tls";

const [, folder = ""] = process.argv.slice(2);
const pem = (name: string) => readFileSync(join(folder, name), "utf8");
const headerLength = 10;
const idLength = 36;
const before = Buffer.from('"key_ID":"');
const tail = '","response":"success"}';
const answerLength = headerLength + '{"key_ID":"'.length + idLength + tail.length;

/** Header and payload of an answer, but for MessageID and key_ID. */
const template = Buffer.alloc(answerLength);
template.writeUInt16BE(1, 0);
template.writeUInt16BE(2, 6);
template.writeUInt16BE(answerLength - headerLength, 8);
template.write('{"key_ID":"', headerLength);
template.write(tail, answerLength - tail.length);
const idAt = headerLength + '{"key_ID":"'.length;

const server = createServer(
  {
    ca: pem("ca.crt"),
    cert: pem("km.crt"),
    key: pem("km.key"),
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
  },
  (socket) => {
    const held = Buffer.alloc(1_048_576);
    let length = 0;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      length += chunk.copy(held, length);
      let at = 0;
      const answers: Buffer[] = [];
      while (length - at >= headerLength) {
        const end = at + headerLength + held.readUInt16BE(at + 8);
        if (end > length) break;
        const id = held.indexOf(before, at + headerLength) + before.length;
        const answer = Buffer.from(template);
        held.copy(answer, 2, at + 2, at + 6);
        held.copy(answer, idAt, id, id + idLength);
        answers.push(answer);
        at = end;
      }
      held.copyWithin(0, at, length);
      length -= at;
      if (answers.length > 0) socket.write(Buffer.concat(answers));
    });
  },
);
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as { port: number }).port });
});
