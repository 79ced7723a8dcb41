/** What of a configuration is shown to who helps from afar, odd ones too. */
import test from "ava";
import { redacted, redactTable } from "../../../../src/host/config/redact.ts";

const shown = { keys: new Set(["database", "host", "url", "path"]), named: [] };
const shownAs = (name: string, value: unknown) =>
  (redactTable({ database: { [name]: value } }, shown) as { database: Record<string, unknown> })
    .database[name];

test("a password in an address is not shown, with a scheme or without", (t) => {
  for (const address of [
    "postgres://user:hunter2@db",
    "postgres://hunter2@db",
    "user:hunter2@db",
    "user:hun/ter2@db:5432",
    "postgres://user:hun/t er2@db",
  ]) {
    for (const name of ["host", "url"]) t.is(shownAs(name, address), redacted, address);
  }
  for (const plain of ["db.example", "::1", "mqtts://broker:8883", "/dev/serial/by-id/usb-A@1"]) {
    t.is(shownAs("host", plain), plain);
  }
});
