/** docs/use/strongswan.md, typed by a test. */
import { readFileSync } from "node:fs";
import { eventually } from "../eventually.ts";
import { testWithGateways } from "../rig/gateways.ts";
import { block, recipe } from "../rig/recipe.ts";
import { keysOf, lostWhile, vpnGateways } from "../rig/vpn-gateways.ts";

const programs = ["swanctl", "charon-systemd"];
/** As the page says of machines without ESP in the kernel. */
const userSpace = `charon {
  plugins {
    kernel-libipsec {
      load = yes
    }
  }
}
`;

/** The page's files of A as B has them. */
function exchanged(text: string): string {
  return text.replace(/192\.0\.2\.([12])|10\.([12])\.0|app-([ab])/g, (found) =>
    found.replace(/[12](?=$|\.0$)|[ab]$/, (one) => ({ 1: "2", 2: "1", a: "b", b: "a" })[one] ?? ""),
  );
}

testWithGateways(programs, "strongSwan changes QKD keys, and loses no packet", async (t) => {
  const { a, b, places: names } = await vpnGateways(t, "ipsec");
  const places = { ...names, "interval_s = 600": "interval_s = 3" };
  const page = recipe("strongswan", places);
  const wireguard = recipe("wireguard", { ...places, "192.0.2.2": "127.0.0.1" });
  const swanctl = block(page, "conf", "a");
  for (const [place, { gateway, application, psk }] of Object.entries({ b, a })) {
    const { ca, cert, key, saeId } = application;
    for (const [folder, name, file] of [
      ["x509ca", "ca.crt", ca],
      ["x509", `${saeId}.crt`, cert],
      ["private", `${saeId}.key`, key],
    ]) {
      await gateway.write(`/etc/swanctl/${folder}/${name}`, readFileSync(file ?? "", "utf8"));
    }
    const mine = place === "a" ? "10.1.0.1" : "10.2.0.1";
    await gateway.type(`ip address add ${mine}/24 dev lo`);
    await gateway.write("/etc/strongswan.d/qkd.conf", block(page, "conf", "both") + userSpace);
    const own = place === "a" ? swanctl : exchanged(swanctl);
    await gateway.write("/etc/swanctl/conf.d/qkd.conf", own);
    // "That of WireGuard's page but for": these instead of what they replace.
    const [top = "", table = ""] = block(page, "toml", place).split("\n\n");
    const other = block(wireguard, "toml", place).replace(/\n\[wireguard\][\s\S]*/, "");
    const kept = other.replace(/^(state_dir|interval_s) = .*\n/gm, "");
    await gateway.write("/etc/qkd-psk/ipsec.toml", `${top}\n${kept}\n${table}`);
    gateway.begin("exec charon-systemd >/run/charon.log 2>&1");
    await eventually("charon", () => gateway.type("swanctl --load-all"), {
      matches: /loaded 1 conn/,
    });
    psk.start();
  }
  await eventually("a first key", () => keysOf(a), { atLeast: 1 });
  await a.gateway.type(block(page, "sh", "a"));
  const state = () => a.gateway.type("swanctl --list-sas");
  t.regex(await state(), /ESTABLISHED[\s\S]*\/PPK\n/);

  const number = async () => Number(/#(\d+), ESTABLISHED/.exec(await state())?.[1]);
  const begun = keysOf(a);
  const { sent, lost } = await lostWhile(a.gateway, "-I 10.1.0.1 10.2.0.1", async () => {
    const first = await number();
    const before = keysOf(a);
    await eventually("three more keys", () => keysOf(a), { atLeast: before + 3 });
    await eventually("an SA with another key", number, { atLeast: first + 3 });
    t.regex(await state(), /\/PPK\n/);
  });
  // A change that leaves a gap costs one each time. What was on its way when the old tunnel went may be lost on a busy machine.
  t.true(lost < 3, `${lost} of ${sent}`);
  t.true(sent > 100);
  t.log(`${sent} packets, ${keysOf(a) - begun} keys`);

  // Without the key at one end there is no tunnel.
  t.is(await b.psk.stop(), 0);
  t.is(await a.psk.stop(), 0);
  await b.gateway.type("swanctl --load-creds --clear");
  await a.gateway.type("swanctl --terminate --ike qkd --force");
  await t.throwsAsync(a.gateway.type("swanctl --initiate --child net --timeout 5"));
});
