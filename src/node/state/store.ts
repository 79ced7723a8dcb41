import { StateStore as Store } from "../../ops/manager/state-store.ts";
import type { NodeState } from "./state.ts";

/** The node's small state with many writers. */
export class StateStore extends Store<NodeState> {}
