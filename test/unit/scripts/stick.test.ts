/** `scripts/image plug` and `unplug`, at a monitor that answers as QEMU's does. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import test from "ava";
import { monitorOf } from "../../../scripts/image.d/stick.ts";

const tool = fileURLToPath(new URL("../../../scripts/image.d/main.ts", import.meta.url));

test("a stick is plugged in, and its file is let go of once the board has", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-stick-"));
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.write(`{"QMP": {"version": {}, "capabilities": []}}\n`);
    createInterface(socket).on("line", (line) => {
      const { execute, arguments: args } = JSON.parse(line);
      asked.push(`${execute} ${args.driver ?? ""}`.trim());
      const twice =
        execute === "blockdev-add" && asked.filter((one) => /^blockdev-add/.test(one)).length > 1;
      socket.write(
        twice ? `{"error": {"class": "x", "desc": "Duplicate nodes"}}\n` : `{"return": {}}\n`,
      );
      if (execute !== "device_del") return;
      // The board takes its time, and other things happen.
      socket.write(`{"event": "DEVICE_DELETED", "data": {"path": "/other"}}\n`);
      socket.write(`{"event": "DEVICE_DELETED", "data": {"device": "stick"}}\n`);
    });
  });
  const run = (...args: string[]) =>
    new Promise<{ code: number; err: string }>((resolve) => {
      execFile(process.execPath, [tool, ...args, "--out", folder], (error, _, err) =>
        resolve({ code: Number(error?.code ?? 0), err }),
      );
    });
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "stick.img");
  writeFileSync(file, "");
  const away = await run("unplug");
  t.is(away.code, 1);
  t.regex(away.err, /^image: no board runs here/);
  await new Promise<void>((resolve) => server.listen(monitorOf(folder), resolve));
  t.teardown(() => server.close());
  t.is((await run("plug", file)).code, 0);
  t.deepEqual(asked, ["qmp_capabilities", "blockdev-add raw", "device_add usb-storage"]);
  const again = await run("plug", file);
  t.is(again.code, 1);
  t.regex(again.err, /Duplicate nodes/);
  asked.length = 0;
  t.is((await run("unplug")).code, 0);
  t.deepEqual(asked, ["qmp_capabilities", "device_del", "blockdev-del"]);
  t.is((await run("plug")).code, 64);
  t.is((await run("plug", join(folder, "none"))).code, 1);
});
