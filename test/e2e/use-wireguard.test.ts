/** docs/use/wireguard.md, typed by a test. */
import { whole } from "../campaign-scale.ts";
import { eventually } from "../eventually.ts";
import { type Gateway, testWithGateways } from "../rig/gateways.ts";
import { block, recipe } from "../rig/recipe.ts";
import { keysOf, lostWhile, vpnGateways } from "../rig/vpn-gateways.ts";

/** A handshake is due so long after the one before (WireGuard's REKEY_AFTER_TIME). */
const rekeyMs = 120_000;

const programs = ["wg", "wireguard-go"];

testWithGateways(programs, "WireGuard changes QKD keys, and loses no packet", async (t) => {
  if (whole) t.timeout(3 * rekeyMs);
  const { a, b, places: names } = await vpnGateways(t, "wg0");
  const make = block(recipe("wireguard"), "sh", "both");
  const places = {
    ...names,
    "PUBLIC-KEY-OF-A": (await a.gateway.type(make)).trim(),
    "PUBLIC-KEY-OF-B": (await b.gateway.type(make)).trim(),
    "interval_s = 120": "interval_s = 1",
  };
  const page = recipe("wireguard", places);
  // qkd-psk is not in the gateways' network, where no KM is.
  const files = recipe("wireguard", { ...places, "192.0.2.2": "127.0.0.1" });
  for (const [place, { gateway, psk }] of Object.entries({ b, a })) {
    await gateway.type(`mkdir -p /run/wireguard\n${block(page, "sh", place)}`);
    await gateway.write("/etc/qkd-psk/wg0.toml", block(files, "toml", place));
    psk.start();
  }
  await eventually("a first key", () => keysOf(a), { atLeast: 1 });
  t.regex(await a.gateway.type("ping -c 1 -W 5 10.9.0.2"), /1 received/);

  // Packets all the time, while keys change: in CI until WireGuard itself comes to another handshake.
  const handshake = () => a.gateway.type("wg show wg0 latest-handshakes");
  const first = await handshake();
  const begun = keysOf(a);
  const { sent, lost } = await lostWhile(a.gateway, "10.9.0.2", async () => {
    const before = keysOf(a);
    await eventually("five more keys", () => keysOf(a), { atLeast: before + 5 });
    if (whole) {
      const deadlineMs = rekeyMs + 30_000;
      await eventually("another handshake", handshake, {
        when: (seen) => seen !== first,
        deadlineMs,
      });
    }
  });
  t.is(lost, 0);
  t.true(sent > 100);
  t.log(`${sent} packets, ${keysOf(a) - begun} keys`);

  // A session that begins anew has the key of now: with another one at one end there is none.
  t.is(await a.psk.stop(), 0);
  t.is(await b.psk.stop(), 0);
  const shown = async (gateway: Gateway) =>
    (await gateway.type("wg show wg0 preshared-keys")).split("\t")[1]?.trim();
  const psk = (await shown(a.gateway)) ?? "";
  t.true(/^[A-Za-z0-9+/]{43}=$/.test(psk) && psk === (await shown(b.gateway)), "both have one");
  const peer = places["PUBLIC-KEY-OF-B"];
  const again = (key: string) =>
    a.gateway.type(`umask 077; ${key}; wg set wg0 peer ${peer} remove
wg set wg0 peer ${peer} preshared-key /run/key endpoint 192.0.2.2:51820 allowed-ips 10.9.0.2/32`);
  await again("wg show wg0 preshared-keys | cut -f 2 >/run/key");
  t.regex(await a.gateway.type("ping -c 1 -W 10 10.9.0.2"), /1 received/);
  await again("wg genpsk >/run/key");
  await t.throwsAsync(a.gateway.type("ping -c 1 -W 3 10.9.0.2"), undefined, "the key counts");
});
