/** Every kind of module driver the node knows. A new one is a folder and a line here. */
import type { DriverKind } from "../src/port/driver-kind.ts";
import { etsi014 } from "./etsi014/kind.ts";
import { qcrypto } from "./qcrypto/kind.ts";
import { qmlpKinds } from "./qmlp/kind.ts";

// biome-ignore lint/suspicious/noExplicitAny: each kind has options of its own, checked by its schema
export const driverKinds: readonly DriverKind<any>[] = [...qmlpKinds, qcrypto, etsi014];
