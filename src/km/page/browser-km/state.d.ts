import type { Snapshot } from "../snapshot.ts";
import type { PageEvent } from "./live.js";

/** What a key manager sends. */
export type State = Snapshot & { readonly events: readonly PageEvent[] };
