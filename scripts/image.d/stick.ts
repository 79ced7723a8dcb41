/** `scripts/image plug` and `unplug`: a USB stick at the emulated board that `scripts/image boot` runs, by QEMU's monitor. */
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Emulator } from "./machine.ts";
import { ImageError } from "./run.ts";

/** Where `boot` has its monitor listen. */
export const monitorOf = (image: string) => join(image, "board.qmp");

/** The board's own bus of USB. */
export const usbOf = (emulator: Emulator) => (emulator === "raspi3b" ? "usb-bus.0" : "usb.0");

/** For QEMU's command line, or its monitor: the stick's file, and the stick. */
export function stickParts(file: string, emulator: Emulator) {
  return {
    block: {
      "node-name": "stick",
      driver: "raw",
      file: { driver: "file", filename: resolve(file) },
    },
    device: { driver: "usb-storage", id: "stick", bus: usbOf(emulator), drive: "stick" },
  };
}

const answerMs = 20_000;

/** @throws ImageError */
export async function plug(image: string, file: string, emulator: Emulator): Promise<void> {
  if (!existsSync(file)) throw new ImageError(`no ${file}`);
  const { block, device } = stickParts(file, emulator);
  await withMonitor(image, async (ask) => {
    await ask("blockdev-add", block);
    try {
      await ask("device_add", device);
    } catch (error) {
      await ask("blockdev-del", { "node-name": "stick" });
      throw error;
    }
  });
}

/** What the board wrote is in the file then. @throws ImageError */
export async function unplug(image: string): Promise<void> {
  await withMonitor(image, async (ask, gone) => {
    await ask("device_del", { id: "stick" });
    await gone;
    await ask("blockdev-del", { "node-name": "stick" });
  });
}

type Ask = (execute: string, args?: object) => Promise<unknown>;

/** @param act given how to ask, and when the stick is gone */
async function withMonitor(
  image: string,
  act: (ask: Ask, gone: Promise<void>) => Promise<void>,
): Promise<void> {
  const path = monitorOf(image);
  const socket = connect(path);
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  socket.once("error", () =>
    over.reject(new ImageError(`no board runs here (${path}): scripts/image boot`)),
  );
  socket.once("close", () => over.reject(new ImageError("the board was switched off")));
  socket.setTimeout(answerMs, () =>
    over.reject(new ImageError("the board's monitor does not answer")),
  );
  try {
    const { ask, gone } = conversation(socket);
    await Promise.race([over.promise, ask("qmp_capabilities").then(() => act(ask, gone))]);
  } finally {
    socket.destroy();
  }
}

interface Said {
  readonly event?: string;
  readonly data?: { readonly device?: string };
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** One question at a time, as QEMU answers them in order. */
function conversation(socket: Socket): { readonly ask: Ask; readonly gone: Promise<void> } {
  const gone = Promise.withResolvers<void>();
  let waiting = Promise.withResolvers<unknown>();
  const lines = createInterface(socket);
  // The socket's own are told of there.
  lines.on("error", () => {});
  lines.on("line", (line) => {
    const said = JSON.parse(line) as Said;
    if (said.event === "DEVICE_DELETED" && said.data?.device === "stick") gone.resolve();
    if (said.error !== undefined) waiting.reject(new ImageError(`QEMU: ${said.error.desc}`));
    else if ("return" in said) waiting.resolve(said.return);
  });
  const ask: Ask = (execute, args = {}) => {
    waiting = Promise.withResolvers<unknown>();
    socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    return waiting.promise;
  };
  return { ask, gone: gone.promise };
}
