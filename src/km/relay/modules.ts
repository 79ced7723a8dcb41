/** What brings relayed keys to a link, in place of modules: one for each scheme, so that batches tell how keys came. Pure. */
import { codes } from "../../wire/kx/names.ts";
import type { RelayScheme } from "../../wire/kx/relay-messages.ts";
import { relayedByAes } from "../store/shapes.ts";

/** Name of what brings the keys of one scheme to a link: no module of a configuration has a space in its name. */
export function relayModule(link: string, scheme: RelayScheme): string {
  return `relay ${link} ${scheme}`;
}

/** Whether this is the name of one, of whatever link. */
export function isRelayModule(name: string): boolean {
  return name.startsWith("relay ");
}

function idOf(scheme: RelayScheme): string {
  return scheme === "aes" ? relayedByAes : `relay ${scheme}`;
}

/** By which scheme the keys of a batch came. @param module ID that the batch names; undefined: from a module */
export function schemeOf(module: string): RelayScheme | undefined {
  return codes.relayScheme.find((scheme) => idOf(scheme) === module);
}

/** What brings relayed keys, with its name in a batch: the same at both ends. */
export function relayModules(link: string) {
  return codes.relayScheme.map((scheme) => {
    const id = idOf(scheme);
    return { module: relayModule(link, scheme), ids: [id, id] as const };
  });
}
