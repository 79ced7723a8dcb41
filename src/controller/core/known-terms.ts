/** What an application is registered with has to be there, as in the configuration: else it would be served by none, or otherwise than was meant. */
import { Fault } from "../../base/errors.ts";
import type { CoreParts } from "./parts.ts";

/**
 * @param of the application's KM and class @param by who wants it
 * @throws Fault `config.value` if the KM may not connect, or the class is not configured
 */
export function checkKnown(
  { repository, classes }: Pick<CoreParts, "repository" | "classes">,
  of: { readonly km?: string; readonly class?: string },
  by: string,
): void {
  if (of.class !== undefined && !classes.has(of.class)) {
    throw new Fault("config.value", "there is no class of this name", { source: by });
  }
  if (of.km !== undefined && !repository.mayAttach(of.km)) {
    const why = "no key manager of this ID is configured or registered: register it first";
    throw new Fault("config.value", why, { source: by });
  }
}
