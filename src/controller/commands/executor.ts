/** Carries out commands that were found good, through small ports into the controller. Pure. */
import { describe, Fault } from "../../base/errors.ts";
import type { Facts, Outcome } from "../../ops/commands/port.ts";
import type { CertificateIssued } from "../core/certificates.ts";
import type { Service } from "../model/status.ts";
import type { Args, Order } from "./table.ts";

export interface ControllerPorts {
  /** @returns why not; undefined if it was acknowledged */
  acknowledge(alarm: string, by: string): string | undefined;
  /** @throws Fault `config.value` */
  setService(component: string, service: Service, by: string): Promise<void>;
  /** @returns its certificate, if it asks for one @throws Fault `config.value` */
  register(what: Args<"register">, by: string): Promise<CertificateIssued | undefined>;
  /** @throws Fault `config.value` */
  certify(what: Args<"certify">, by: string): Promise<CertificateIssued>;
  /** @throws Fault `config.value` */
  revoke(serial: string, reason: Args<"revoke">["reason"], by: string): Promise<void>;
  /** @returns whether it was known @throws Fault `config.value` */
  withdraw(what: Args<"withdraw">, by: string): Promise<boolean>;
  /** @throws Fault `config.file` if some cannot be read */
  reloadCertificates(): void;
  /** @returns where it is, among others @throws Fault `state.io` if it cannot be written */
  supportBundle(): Promise<Facts>;
}

const done: Outcome = { status: "done" };
const failed = (reason: string): Outcome => ({ status: "failed", reason });

/**
 * Carries out a command. Never rejects.
 * @param by the key ID of who gave it
 */
export async function execute(order: Order, by: string, ports: ControllerPorts): Promise<Outcome> {
  try {
    return await act(order, by, ports);
  } catch (error) {
    return failed(error instanceof Fault ? describe(error) : "internal error");
  }
}

async function act(order: Order, by: string, ports: ControllerPorts): Promise<Outcome> {
  const who = `command key ${by}`;
  switch (order.name) {
    case "acknowledge_alarm": {
      const why = ports.acknowledge(order.args.alarm, by);
      return why === undefined ? done : failed(why);
    }
    case "set_service":
      await ports.setService(order.args.component, order.args.service, who);
      return done;
    case "register": {
      const issued = await ports.register(order.args, who);
      return issued === undefined ? done : { ...done, facts: { ...issued } };
    }
    case "certify":
      return { ...done, facts: { ...(await ports.certify(order.args, who)) } };
    case "revoke":
      await ports.revoke(order.args.serial, order.args.reason, who);
      return done;
    case "withdraw":
      return { ...done, facts: { known: await ports.withdraw(order.args, who) } };
    case "reload_certificates":
      ports.reloadCertificates();
      return done;
    case "support_bundle":
      return { ...done, facts: await ports.supportBundle() };
  }
}
