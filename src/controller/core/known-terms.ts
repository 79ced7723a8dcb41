/** What an order names, and whether it is there: an application's terms have to be, and a component that is taken back should. */
import { Fault } from "../../base/errors.ts";
import type { ComponentKind } from "../access/repository.ts";
import type { CoreParts } from "./parts.ts";

/**
 * An application would be served by none else, or otherwise than was meant.
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

/** What is taken back may be a slip of who typed it: whether this controller knows such a component. */
export function isKnown(
  { repository, topology }: Pick<CoreParts, "repository" | "topology">,
  kind: ComponentKind,
  id: string,
): boolean {
  return repository.isKnown(kind, id) || (kind === "km" && topology.nodes.has(id));
}
