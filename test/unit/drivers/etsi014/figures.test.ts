/** Figures of a second source, and options. */
import { readFileSync } from "node:fs";
import test from "ava";
import * as v from "valibot";
import { dialectNames } from "../../../../drivers/etsi014/dialects.ts";
import { readFigures } from "../../../../drivers/etsi014/figures.ts";
import { etsi014 } from "../../../../drivers/etsi014/kind.ts";
import { options } from "../../../../drivers/etsi014/options.ts";

const page = `# HELP qkd_qber quantum bit error ratio
# TYPE qkd_qber gauge
qkd_qber{link="1",unit="percent"} 2.5
qkd_qber{link="2"} 4
skr 12.5 1796000000000
loss{a="b \\" c"} 71e-1
hot NaN
far 1000
`;

test("a page of Prometheus is read, by labels, with units", (t) => {
  const { values, wrong } = readFigures(page, "prometheus", {
    qber: { from: 'qkd_qber{link="1"}', unit: "%" },
    secret_key_rate: { from: "skr", unit: "kbit/s" },
    channel_loss: { from: "loss", unit: "dB" },
    module_temperature: { from: "hot", unit: "°C" },
    laser_power: { from: "far", unit: "dBm" },
    sifted_rate: { from: "not_there", unit: "bit/s" },
    visibility: { from: "qkd_qber", unit: "%" },
  });
  t.deepEqual(values, { qber: 0.025, secret_key_rate: 12_500, channel_loss: 7.1 });
  t.deepEqual(wrong, ["laser_power"]);
});

test("a page of JSON is read by pointers", (t) => {
  const json = JSON.stringify({ links: [{ "a/b": { qber: "0.031" } }], skr: 5, text: "much" });
  const { values } = readFigures(json, "json", {
    qber: { from: "/links/0/a~1b/qber", unit: "1" },
    secret_key_rate: { from: "/skr", unit: "Mbit/s" },
    sifted_rate: { from: "/text", unit: "bit/s" },
    raw_rate: { from: "/toString", unit: "1/s" },
  });
  t.deepEqual(values, { qber: 0.031, secret_key_rate: 5e6 });
  t.throws(() => readFigures("<html>", "json", {}), { message: /no JSON/ });
});

const files = { ca: "/ca", cert: "/cert", key: "/key" };
const good = {
  lead: true,
  module_id: "a",
  matching_module_id: "b",
  role: "alice",
  kme: { url: "https://kme", own_sae: "a", partner_sae: "b", ...files },
  peer: { host: "b", port: 9700, name: "link-b", ...files },
};

test("the QBER of a leader's page counts; else it has to be said that there is none", (t) => {
  const figures = { url: "https://x/metrics", format: "json", ...files };
  const map = (unit: string) => ({ qber: { from: "/q", unit } });
  const measures = (more: object) => etsi014.measuresQber?.(v.parse(options, { ...good, ...more }));
  t.false(measures({}));
  t.true(measures({ figures: { ...figures, map: map("%") } }));
  t.false(measures({ lead: false, figures: { ...figures, map: map("%") } }));
  t.throws(() => measures({ figures: { ...figures, map: map("dB") } }), { message: /unit/ });
  const list = { detector_counts: { from: "/q", unit: "1/s" } };
  t.throws(() => measures({ figures: { ...figures, map: list } }), { message: /figures of/ });
  t.throws(() => measures({ kme: { ...good.kme, url: "http://kme" } }), { message: /https/ });
});

test("the driver's page names every key and every dialect, and no other", (t) => {
  const readme = readFileSync(
    new URL("../../../../drivers/etsi014/README.md", import.meta.url),
    "utf8",
  );
  const rows = [...readme.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([\w.-]+)`/g)].map((match) => match[1] ?? ""),
  );
  const nested = (name: "kme" | "peer") =>
    Object.keys(options.entries[name].entries).map((key) => `${name}.${key}`);
  const top = Object.keys(options.entries).filter(
    (key) => !["kme", "peer", "figures"].includes(key),
  );
  for (const key of [...top, ...nested("kme"), ...nested("peer"), ...dialectNames]) {
    t.true(rows.includes(key), key);
  }
  const known = [...top, ...nested("kme"), ...nested("peer")];
  for (const row of rows.filter((one) => /^(kme|peer)\./.test(one)))
    t.true(known.includes(row), row);
});
