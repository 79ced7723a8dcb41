/** How a kind of module driver is registered: one line in `drivers/index.ts`. */
import type { GenericSchema } from "valibot";
import type { DriverContext, ModuleDriver } from "./module.ts";

export interface DriverKind<Options = unknown> {
  /** The value of `kind` in `[module.driver]`. */
  readonly kind: string;
  /** Checks the other keys of `[module.driver]`; strict: unknown keys are errors. */
  readonly options: GenericSchema<unknown, Options>;
  create(options: Options, context: DriverContext): ModuleDriver;
}

/** A kind together with options that its schema has accepted. */
export interface ConfiguredDriver {
  readonly kind: string;
  create(context: DriverContext): ModuleDriver;
}
