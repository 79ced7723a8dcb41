/** A controller's door with its core behind it, over real TLS, in the process of the test; and key managers that it speaks for. */
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { nothingSaved } from "../../src/controller/core/world.ts";
import { CkDoor } from "../../src/controller/io/ck-door.ts";
import { type ControllerPolicy, defaultRules } from "../../src/controller/policy/network.ts";
import { Network } from "../../src/controller/wiring/network.ts";
import type { CkBinding, CkIdentity } from "../../src/km/io/ck-dial.ts";
import { CkLink, type CkLinkOptions } from "../../src/km/io/ck-link.ts";
import type { CkExtension } from "../../src/wire/ck/messages.ts";
import { createAuthority } from "../emulator/certificates.ts";

const host = "127.0.0.1";
export const serverName = "controller.example";

export interface WireController {
  readonly network: Network;
  readonly port: number;
  identity(name: string): Promise<CkIdentity>;
  /** A key manager, begun. @param told of what its reports tell @param own default: a certificate of its own */
  km(
    name: string,
    handlers: CkLinkOptions["handlers"],
    told?: readonly CkExtension[],
    binding?: CkBinding,
    own?: CkIdentity,
  ): Promise<CkLink>;
  close(): Promise<void>;
}

/** @param kms that may connect, by their IDs */
export function plainPolicy(kms: readonly string[]): ControllerPolicy {
  return {
    id: "ctl",
    mode: "centralized",
    nodes: kms.map((km) => ({ km })),
    links: [],
    pairs: [],
    classes: [],
    access: { openToKms: false, openToApplications: true, applications: [] },
    rules: { ...defaultRules, settleMs: 0 },
  };
}

/** @param kms that may connect, by their IDs */
export async function wireController(
  kms: readonly string[],
  policy: Partial<ControllerPolicy> = {},
): Promise<WireController> {
  const ca = await createAuthority("QKDN CA");
  const identity = async (name: string): Promise<CkIdentity> => {
    return { ...(await ca.issue({ commonName: name, dns: [name], usage: "both" })), ca: ca.cert };
  };
  const network = new Network({
    policy: { ...plainPolicy(kms), ...policy },
    store: { save: () => {}, told: () => {} },
    saved: nothingSaved(),
    past: [],
    role: "active",
    onChange: () => {},
    clock: systemClock,
    log: silentLog,
  });
  const known = kms.map((km) => ({ km, names: [km] }));
  const door = new CkDoor({
    host,
    port: 0,
    tls: await identity(serverName),
    kmOf: (names) => network.kmOf(names, known),
    handlers: network,
    log: silentLog,
  });
  network.attach(door);
  const port = await door.listen();
  const links: CkLink[] = [];
  return {
    network,
    port,
    identity,
    async km(name, handlers, told = [], binding = "tcp", own) {
      const tls = own ?? (await identity(name));
      const link = new CkLink({
        ...{ name: "controller", host, port, serverName, binding },
        tls: () => tls,
        report: (whole) => ({
          type: "report",
          sourceKm: name,
          at: Date.now(),
          ...(whole && { whole }),
          ...(whole && told.length > 0 && { extension: told }),
        }),
        handlers,
        log: silentLog,
      });
      links.push(link);
      link.start();
      return link;
    },
    async close() {
      await Promise.all(links.map((link) => link.stop()));
      await door.close();
      network.stop();
    },
  };
}
