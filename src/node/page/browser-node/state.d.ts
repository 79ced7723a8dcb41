import type { Snapshot } from "../snapshot.ts";
import type { PageEvent } from "./live.js";

/** What a node sends. */
export type State = Snapshot & { readonly events: readonly PageEvent[] };
