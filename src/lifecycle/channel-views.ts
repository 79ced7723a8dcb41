/** What a channel shows of its module. */
import type { ModuleLinks } from "../local/view.ts";
import type { ModuleDescription } from "../manager/view.ts";
import type { ModuleDriver, ModuleIdentity, ModuleSession } from "../port/module.ts";
import { type KmView, linkState } from "./km-channel.ts";

/**
 * How its links are.
 * @param trouble why there is no session
 */
export function moduleLinks(
  session: ModuleSession | undefined,
  trouble: string,
  kms: readonly KmView[],
): ModuleLinks {
  return {
    up: session !== undefined,
    reason: session === undefined ? trouble : "",
    ...(session !== undefined && {
      protocol: session.identity.protocol,
      quality: session.quality(),
    }),
    kms: kms.map(linkState),
  };
}

/**
 * What it is.
 * @param identity undefined until it answered for the first time
 * @param matchingId of the module at the other end
 */
export function moduleDescription(
  name: string,
  { kind, where }: ModuleDriver,
  km: string,
  identity: ModuleIdentity | undefined,
  matchingId: string,
): ModuleDescription {
  return {
    name,
    driver: kind,
    where,
    km,
    ...(identity !== undefined && {
      module_id: identity.moduleId,
      matching_module_id: matchingId,
      role: identity.role,
      vendor: identity.vendor,
      model: identity.model,
      serial: identity.serial,
      firmware: identity.firmware,
    }),
  };
}
