/** The test KM, for tests and the demo. */
export {
  answerOneByOne,
  answerWith,
  type Behaviour,
  dropConnection,
  type Exchange,
  type Moment,
  neverAnswer,
} from "./behaviours.ts";
export type { Policy } from "./desk.ts";
export {
  KeyManager,
  type KeyManagerOptions,
  type KmCounts,
  type KmEvents,
  type TlsMaterial,
} from "./server.ts";
export { KmStore, type StoredKey, type StoreLimits, type StoreSummary } from "./store.ts";
export type { SupplyFacts } from "./supply.ts";
export { type Reason, reasons } from "./wire.ts";
