/** `kind = "etsi014"` in the configuration. */
import { Fault } from "../../src/base/errors.ts";
import type { CredentialFiles } from "../../src/host/tls/credentials.ts";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import type { DriverContext, ModuleSession, ModuleSink } from "../../src/port/module.ts";
import { dialects } from "./dialects.ts";
import { KmeClient } from "./kme-client.ts";
import { type Lasting, lastingOf } from "./lasting.ts";
import { mostBits } from "./messages.ts";
import { hostOf, type Options, options } from "./options.ts";
import { Etsi014Session } from "./session.ts";

export const etsi014: DriverKind<Options> = {
  kind: "etsi014",
  options,
  destructive: true,
  spools: true,
  saysQberRequired: true,
  certificates: ({ kme, peer, figures }) => [
    { for: "kme", ...filesOf(kme) },
    { for: "peer", ...filesOf(peer) },
    ...(figures === undefined ? [] : [{ for: "figures", ...filesOf(figures) }]),
  ],
  measuresQber: ({ lead, figures }) => lead && figures?.map.qber !== undefined,
  create(chosen, context) {
    const lasting = lastingOf(context.clock, chosen.lost_limit, Math.random);
    return {
      kind: "etsi014",
      where: chosen.kme.url,
      destroy: async () => (await spoolOf(context)()).zeroize(),
      connect: (sink, signal) => connect(chosen, context, lasting, sink, signal),
    };
  },
};

function filesOf({ ca, cert, key, crl }: CredentialFiles): CredentialFiles {
  return { ca, cert, key, crl };
}

/** The configuration sees that there is one. */
function spoolOf({ spool }: DriverContext): NonNullable<DriverContext["spool"]> {
  if (spool === undefined) throw new Fault("invariant", "an etsi014 module has a spool");
  return spool;
}

async function connect(
  chosen: Options,
  context: DriverContext,
  lasting: Lasting,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<ModuleSession> {
  const { kme } = chosen;
  const spool = spoolOf(context);
  const client = new KmeClient({
    url: kme.url,
    serverName: kme.server_name ?? hostOf(kme.url),
    files: kme,
    partner: kme.partner_sae,
    own: kme.own_sae,
    dialect: dialects[kme.dialect],
    keyBits: kme.key_bits,
    timeout: kme.timeout_s * 1_000,
    clock: context.clock,
  });
  const stop = () => client.close();
  signal.addEventListener("abort", stop, { once: true });
  const stopped = () => new Fault("stopped", "connecting was stopped", { source: kme.url });
  try {
    if (signal.aborted) throw stopped();
    const status = await client.status();
    if (signal.aborted) throw stopped();
    if (status === undefined) {
      const why = client.lastFailure;
      throw new Fault("link.open", `the KME does not answer: ${why}`, { source: kme.url });
    }
    const { key_bits: bits } = kme;
    const isAsked = chosen.lead && dialects[kme.dialect].size && bits !== undefined;
    if (isAsked && (bits < status.minKeySize || bits > status.maxKeySize)) {
      const limits = { least: status.minKeySize, most: status.maxKeySize };
      throw new Fault("kme.refused", "the KME has no keys of key_bits", { bits, ...limits });
    }
    const identity = {
      moduleId: chosen.module_id,
      matchingModuleId: chosen.matching_module_id,
      role: chosen.role,
      vendor: "",
      model: "KME",
      serial: "",
      firmware: "",
      protocol: "ETSI GS QKD 014",
      maxBlockBytes: mostBits / 8,
    };
    const session = await Etsi014Session.begin(
      { ...context, options: chosen, spool, client, identity, sink, lasting },
      status,
    );
    if (!signal.aborted) return session;
    await session.close();
    throw stopped();
  } catch (error) {
    client.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
