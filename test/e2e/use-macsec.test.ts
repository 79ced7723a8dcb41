/** docs/use/macsec.md, typed by a test, as far as that goes without MACsec in the kernel. */
import { eventually } from "../eventually.ts";
import { testWithGateways } from "../rig/gateways.ts";
import { block, recipe } from "../rig/recipe.ts";
import { keysOf, vpnGateways } from "../rig/vpn-gateways.ts";

const programs = ["wpa_supplicant", "wpa_cli"];

testWithGateways(
  programs,
  "both ends give wpa_supplicant the same CAK, and it takes it",
  async (t) => {
    const { a, b, places: names } = await vpnGateways(t, "macsec");
    const places = { ...names, "interval_s = 86400": "interval_s = 1" };
    const page = recipe("macsec", places);
    const wireguard = recipe("wireguard", { ...places, "192.0.2.2": "127.0.0.1" });
    for (const [place, { gateway, psk }] of Object.entries({ b, a })) {
      await gateway.write("/etc/qkd-psk/macsec", block(page, "sh", "both"), 0o755);
      // "That of WireGuard's page but for": these instead of what they replace.
      const [top = "", table = ""] = block(page, "toml", "a").split("\n\n");
      const own = place === "a" ? top : top.replace(/\ninterval_s.*/, "");
      const other = block(wireguard, "toml", place).replace(/\n\[wireguard\][\s\S]*/, "");
      const kept = other.replace(/^(state_dir|interval_s) = .*\n/gm, "");
      await gateway.write("/etc/qkd-psk/macsec.toml", `${own}\n${kept}\n${table}`);
      psk.start();
    }
    await eventually("two keys", () => keysOf(a), {
      atLeast: 2,
      about: () => [...a.psk.lines, ...b.psk.lines].slice(-8).join("\n"),
    });
    t.is(await a.psk.stop(), 0);
    t.is(await b.psk.stop(), 0);
    const read = (gateway: typeof a.gateway) => gateway.type("cat /run/qkd-psk/macsec/wpa.conf");
    const conf = await read(a.gateway);
    t.true(
      /^ {2}mka_cak=[0-9a-f]{64}$/m.test(conf) && conf === (await read(b.gateway)),
      "the same",
    );
    t.is((await a.gateway.type("stat -c %a /run/qkd-psk/macsec/wpa.conf")).trim(), "600");
    const start = block(page, "sh", "start").replace("macsec_linux", "none").trim();
    const parsed = await a.gateway.type(`timeout 2 ${start} 2>&1 || true`);
    t.notRegex(parsed, /failed to parse/i);
    t.regex(parsed, /Successfully initialized/);
    const broken = `sed -i s/mka_cak=./mka_cak=/ /run/qkd-psk/macsec/wpa.conf; timeout 2 ${start} 2>&1 | sed s/\\'.*// || true`;
    t.regex(await a.gateway.type(broken), /failed to parse mka_cak/, "it would tell");
  },
);
