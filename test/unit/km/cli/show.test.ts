import test from "ava";
import { linkTable, statusText } from "../../../../src/km/cli/show.ts";
import { checkLinks } from "../../../../src/km/doctor/state.ts";
import { tooWide } from "../../../rig/cli.ts";
import { goodStatus } from "../../../rig/km-status.ts";

test("what is left over is told where there is some, and only there", (t) => {
  const good = goodStatus();
  t.notRegex(statusText(good), /left over/);
  const store = { ...good.store, left_over_keys: 12, left_over_stock_bits: 8_192 };
  const text = statusText({ ...good, store });
  t.regex(
    text,
    /left over +12 QKD-keys of modules, 1\.0 KiB in extents of links that are not\s+in\s+the\s+config/,
  );
  t.deepEqual(tooWide(text), []);
});

test("a link that a controller has put out of service is told, by status and by the doctor", (t) => {
  const good = goodStatus();
  const [link] = good.links;
  if (good.relay === undefined || link === undefined) throw new Error("no link");
  const services = [{ link: link.name, service: "out_of_service" }] as const;
  const status = { ...good, relay: { ...good.relay, services } };
  t.regex(statusText(status), /is out of service by order of a controller: it lends no pads/);
  const apart = { ...good.relay, services: [{ link: link.name, service: "reserved" }] } as const;
  t.regex(
    statusText({ ...good, relay: apart }),
    /is reserved by order[^:]*:\s+its\s+pads\s+are for/,
  );
  t.deepEqual(tooWide(statusText(status)), []);
  t.notRegex(linkTable(good), /order of a controller/);
  const [finding] = checkLinks({ status, log: [] });
  t.like(finding, { status: "warn" });
  t.regex(finding?.detail ?? "", /out of service for relays/);
});
