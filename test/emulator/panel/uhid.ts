/**
 * Attaches an emulated controller as a real HID device, where the kernel has /dev/uhid. The kernel
 * gives it a /dev/hidraw of its own.
 *
 * Reading /dev/uhid holds a thread of libuv's until an event comes; one that is still being waited for
 * keeps the process from ending. So the device is destroyed first, which is an event, and nothing is
 * read after that.
 */
import { read as readCallback } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { reportDescriptor } from "../../../drivers/panel/report.ts";
import type { Attachment } from "./attachment.ts";
import { create2, destroy, eventLength, input2, parse, refusal } from "./uhid-events.ts";

export interface UhidOptions {
  /** Default 0x1209:0x0001, which pid.codes keeps for tests. */
  readonly vendor?: number;
  readonly product?: number;
  readonly serial: string;
  /** A program has opened the device, or closed it. */
  readonly onOpen?: (open: boolean) => void;
}

/** @throws a system error where there is no /dev/uhid, or it may not be used */
export async function attachUhid(
  options: UhidOptions,
  onReport: (report: Buffer) => void,
): Promise<Attachment> {
  const { vendor = 0x1209, product = 0x0001, serial, onOpen } = options;
  const facts = {
    name: "QKD chassis panel",
    serial,
    vendor,
    product,
    descriptor: reportDescriptor,
  };

  const make = async () => {
    const file = await open("/dev/uhid", "r+");
    await file.write(create2(facts));
    return { file, stopped: listen(file) };
  };

  /** @returns resolves when the device is gone */
  function listen(file: FileHandle): Promise<void> {
    const buffer = Buffer.alloc(eventLength);
    return new Promise((resolve) => {
      const next = () =>
        readCallback(file.fd, buffer, 0, buffer.length, null, (error, length) => {
          if (error !== null) return resolve();
          const event = parse(buffer.subarray(0, length));
          if (event.kind === "output") onReport(event.report);
          else if (event.kind === "open" || event.kind === "close") onOpen?.(event.kind === "open");
          else if (event.kind === "get" || event.kind === "set") {
            void file.write(refusal(event.kind, event.id)).catch(() => {});
          } else if (event.kind === "stop") return resolve();
          next();
        });
      next();
    });
  }

  let made: Awaited<ReturnType<typeof make>> | undefined = await make();
  const unplug = async () => {
    const gone = made;
    made = undefined;
    if (gone === undefined) return;
    await gone.file.write(destroy());
    await gone.stopped;
    await gone.file.close();
  };
  return {
    where: "",
    send(report) {
      // A host that has not opened it yet hears nothing, as on a real bus.
      void made?.file.write(input2(report)).catch(() => {});
    },
    async plug() {
      made ??= await make();
    },
    unplug,
    close: unplug,
  };
}
