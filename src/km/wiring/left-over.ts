/**
 * What the store has of links and modules that the configuration does not have: they were taken out, or have another
 * name there. No application is given of it; under the name of before it is there again.
 */
import type { Log } from "../../base/log.ts";
import { relayModules } from "../relay/modules.ts";
import type { Loaded } from "../store/port.ts";

interface Named {
  readonly name: string;
}

/** Tells of each in the log: a name is what keys are stored under, and a new one begins with none. */
export function tellLeftOver(
  { links, modules }: { readonly links: readonly Named[]; readonly modules: readonly Named[] },
  { extents, buffered }: Pick<Loaded, "extents" | "buffered">,
  log: Log,
): void {
  const ofLink = Map.groupBy(extents, ({ link }) => link);
  for (const { name } of links) ofLink.delete(name);
  for (const [link, all] of ofLink) {
    const bytes = all.reduce((sum, { length }) => sum + length, 0);
    log.warn("stock of a link that is not configured: nobody is given of it", { link, bytes });
  }
  const ofModule = Map.groupBy(buffered, ({ module }) => module);
  const relayed = links.flatMap(({ name }) => relayModules(name).map(({ module }) => module));
  for (const name of [...modules.map((one) => one.name), ...relayed]) ofModule.delete(name);
  for (const [module, all] of ofModule) {
    const keys = all.reduce((sum, { handles }) => sum + handles.length, 0);
    log.warn("keys of a module that is not configured wait: nobody compares them", {
      module,
      keys,
    });
  }
}
