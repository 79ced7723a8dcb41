/** Configurations are read with every driver that there is. */
import { driverKinds } from "../../drivers/index.ts";
import { configReaders } from "../node/config/readers.ts";

export const readers = configReaders(driverKinds);
