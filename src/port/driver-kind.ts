/** How a kind of module driver is registered: one line in `drivers/index.ts`. */
import type { GenericSchema } from "valibot";
import type { DriverContext, ModuleDriver } from "./module.ts";

/** Files of certificates of a driver whose module is a server of a network. */
export interface DriverCertificates {
  /** What they are for, such as `kme`. */
  readonly for: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string | undefined;
}

export interface DriverKind<Options = unknown> {
  /** The value of `kind` in `[module.driver]`. */
  readonly kind: string;
  /** Checks the other keys of `[module.driver]`; strict: unknown keys are errors. */
  readonly options: GenericSchema<unknown, Options>;
  /** A module of this kind hands each key over once: it needs a spool. */
  readonly destructive?: true;
  /** The driver works with the spool itself: the node puts none between, and the context has it. */
  readonly spools?: true;
  /** Blocks without a QBER must be asked for: `qber_required` has to be in the configuration. */
  readonly saysQberRequired?: true;
  /**
   * Whether each block of such a module has a QBER; one without is withheld unless configured. Default:
   * no.
   */
  measuresQber?(options: Options): boolean;
  create(options: Options, context: DriverContext): ModuleDriver;
  /** Certificates that the driver shows, and the CAs and lists that it goes by: watched as those for KMs are. */
  certificates?(options: Options): readonly DriverCertificates[];
  /** Files that the driver opens, absolute paths: devices, pipes, folders. */
  devices?(options: Options): readonly string[];
  /**
   * A session without credit takes nothing that would be missing later; `probe` makes one.
   *
   * Options for a device that a person named to `probe`; undefined if this kind is not what is to be
   * expected there.
   * @param baud bit/s, where it has a meaning
   */
  recognise?(device: string, baud: number): Options | undefined;
}

/** A kind together with options that its schema has accepted. */
export interface ConfiguredDriver {
  readonly kind: string;
  /** A module of this kind hands each key over once. */
  readonly destructive: boolean;
  /** It works with the spool itself. */
  readonly spools: boolean;
  /** `qber_required` has to be in the configuration, unless each block has a QBER. */
  readonly saysQberRequired: boolean;
  /** Each block of it has a QBER. */
  readonly measuresQber: boolean;
  readonly certificates: readonly DriverCertificates[];
  /** Files that the driver opens. */
  readonly devices: readonly string[];
  /** Whether a session without credit is harmless. */
  readonly probed: boolean;
  create(context: DriverContext): ModuleDriver;
}
