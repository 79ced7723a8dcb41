/** Short lines over a connection. */
import type { Socket } from "node:net";

/**
 * Calls `onLine` for each line, without its end.
 * @param longest bytes of a line: a connection that sends a longer one is ended
 */
export function readLines(socket: Socket, longest: number, onLine: (line: string) => void): void {
  let held = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    held += text;
    for (let end = held.indexOf("\n"); end >= 0; end = held.indexOf("\n")) {
      const line = held.slice(0, end);
      held = held.slice(end + 1);
      if (line.length <= longest && !socket.destroyed) onLine(line);
    }
    if (held.length > longest) socket.destroy();
  });
}
