/** Has a module destroy its key, and with it whatever the node holds of it in memory or in a spool. */
import { Fault } from "../../base/errors.ts";
import type { ModuleDriver, ModuleSession } from "../../port/module.ts";

export interface ZeroizeParts {
  /** Shut as long as it lasts: a block that was on the line is not taken up. */
  readonly driver: Pick<ModuleDriver, "destroy" | "shut" | "open">;
  /** Undefined while the module is away. */
  readonly session: ModuleSession | undefined;
  /** The module refuses sessions because it was zeroized. */
  readonly zeroized: boolean;
  /** Wipes what custody has in memory. */
  readonly forget: () => void;
}

/**
 * Settles when the module has answered and nothing is left here, whatever it answered.
 * @throws Fault `module.command` if the module did not do it or is away; `state.io` if a spool is not
 *   empty
 */
export async function zeroize({ driver, session, zeroized, forget }: ZeroizeParts): Promise<void> {
  driver.shut?.();
  try {
    // The module first: the disk and the memory are at hand also a moment later.
    const told = session?.command({ name: "zeroize" });
    forget();
    if (told !== undefined) return await told;
    await driver.destroy?.();
    if (!zeroized) throw new Fault("module.command", "zeroize: module is not connected");
  } finally {
    forget();
    driver.open?.();
  }
}
