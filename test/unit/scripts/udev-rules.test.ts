/** What the package's rules do to a device, read as udev reads them: matches of a line hold, then it assigns. */
import { readFileSync } from "node:fs";
import test from "ava";

const text = readFileSync(
  new URL("../../../systemd/70-qkd-node.rules", import.meta.url),
  "utf8",
).replace(/^(#|LABEL).*$/gm, "");

/** @returns what is assigned to a device with these values */
function assigned(device: Readonly<Record<string, string>>): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const parts = [...line.matchAll(/([A-Z_]+(?:\{\w+\})?)(==|!=|\+=|=)"([^"]*)"/g)];
    const holds = parts.every(([, key = "", sign, pattern = ""]) => {
      if (sign !== "==") return sign !== "!=";
      const form = pattern.replaceAll("?*", ".+").replaceAll("*", ".*");
      return new RegExp(`^(?:${form})$`).test(device[key] ?? "");
    });
    return holds ? parts.flatMap(([all, , sign]) => (sign === "==" ? [] : [all])) : [];
  });
}

const port = (driver: string) => ({
  ACTION: "add",
  SUBSYSTEM: "tty",
  "ENV{ID_BUS}": "usb",
  "ENV{ID_SERIAL_SHORT}": "A-0001",
  "ENV{ID_USB_DRIVER}": driver,
});
const ignored = 'ENV{ID_MM_DEVICE_IGNORE}="1"';

test("a serial adapter has a name, is left alone by a modem manager, and starts nothing", (t) => {
  for (const driver of ["ftdi_sio", "cp210x", "ch341", "pl2303", "cdc_acm"]) {
    t.deepEqual(assigned(port(driver)), ['SYMLINK+="qkd/$env{ID_SERIAL_SHORT}"', ignored], driver);
  }
});

test("a gateway's own modem stays the modem manager's", (t) => {
  for (const driver of ["option", "qcserial", "sierra"]) {
    t.false(assigned(port(driver)).includes(ignored), driver);
  }
});

test("no device starts what must be configured first", (t) => {
  const started = [...text.matchAll(/SYSTEMD_WANTS\}\+="([^"]*)"/g)].map(([, unit]) => unit);
  t.deepEqual(started, ["qkd-panel.service"]);
});
