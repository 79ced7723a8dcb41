/**
 * The one error class of the node. Every failure names the thing that failed (`code`), where it
 * came from (`source`: a device path, a peer, a file) and, where there is one, the limit that was
 * passed. Messages never quote input: input may be a key.
 */

/** What failed. The part before the dot is the subsystem, and decides who may handle it. */
export type FaultCode =
  | "link.open" // the device or socket could not be opened
  | "link.closed" // the device went away, or the peer closed
  | "link.stalled" // no progress within the deadline
  | "qmlp.frame" // a frame that is not QMLP
  | "qmlp.message" // a frame whose message does not follow the document
  | "qmlp.refused" // the module refused the session
  | "qmlp.timeout" // the module did not answer in time
  | "kme.refused" // a KME refuses us: its certificates or rights
  | "kme.answer" // a KME answers what is not of ETSI GS QKD 014
  | "peer.message" // a message that is not of the document of two drivers
  | "peer.connect" // the driver at the other end can't be reached, or is another
  | "module.identity" // another module answers than the one configured
  | "module.role" // keys wait that were read while the end had the other role
  | "module.overload" // more of the module's blocks are recorded than the node bears
  | "module.command" // the module refused or failed a command
  | "key.invalid" // a key block that contradicts itself
  | "kq1.connect" // TCP or TLS could not be set up
  | "kq1.closed" // the KM closed the connection
  | "kq1.frame" // header or length not of Annex A
  | "kq1.message" // JSON or a parameter not of Tables 1-4
  | "kq1.timeout" // the KM did not answer in time
  | "kq2.absent" // the KM does not speak Kq-2
  | "kq2.closed" // the connection of Kq-2 ended
  | "kq2.frame" // header not of Annex A, or a message out of turn
  | "kq2.message" // JSON or a member not of the Kq-2 profile
  | "kq2.timeout" // no answer, or nothing at all, in time
  | "kx.connect" // TCP or TLS between two KMs could not be set up
  | "km.random" // a source of random bits fails, or its bits do not pass health tests
  | "kx.closed" // the other KM closed the link, or another connection took its place
  | "kx.frame" // header not of Annex A, or MessageIDs that do not count
  | "kx.message" // a message that does not follow the profile, or comes out of turn
  | "kx.version" // the other KM speaks another version
  | "kx.peer" // another KM than the one of this link
  | "kx.silent" // the other KM says nothing, or reads nothing, any more
  | "ck.connect" // TCP, TLS or gRPC between a KM and a controller could not be set up
  | "ck.closed" // the other end closed the connection, or another took its place
  | "ck.frame" // header not of Appendix I, or no frame of gRPC
  | "ck.message" // JSON, protobuf or a member not of Tables 1-13
  | "ck.busy" // too many commands have no answer yet
  | "ck.timeout" // no answer, or nothing at all, in time
  | "psk.km" // no key from the KM
  | "psk.peer" // the other end of a tunnel can't be reached, or answers what it should not
  | "psk.install" // a tunnel did not take its key
  | "panel.report" // a HID report that is not of the chassis controller's document
  | "panel.message" // a line between panel process and node that is not of the port
  | "panel.silent" // the panel, its controller, or the node behind it says nothing any more
  | "mqtt.connect" // the broker could not be reached or refused
  | "mqtt.closed" // the broker went away
  | "mqtt.payload" // a message that brokers do not take
  | "ledger.io"
  | "ledger.corrupt"
  | "ledger.missing" // there was one
  | "ledger.orphaned" // it is not certain whose a ledger is
  | "state.io"
  | "state.corrupt"
  | "state.locked" // another process has it
  | "state.owner" // a file that another user owns
  | "km_store.io" // the key manager's store can't be written or read
  | "km_store.full" // no room on the disk for the books
  | "km_store.corrupt"
  | "km_store.key" // another master key than the one it was made with
  | "km_store.version" // a later version made it
  | "km_store.busy" // it is being sealed anew
  | "db.open" // the controller's database cannot be reached, or refuses it
  | "db.io" // it cannot be read or written
  | "db.version" // a later version made it
  | "db.corrupt" // it is damaged, or emptied
  | "hsm.library" // the vendor's library can't be loaded, crashed, or does not do what is needed
  | "hsm.token" // no such token, or two
  | "hsm.pin" // no PIN, a wrong one, or one that must not be tried
  | "hsm.key" // the wrapping key is missing or of no use, or is not the one that wrapped
  | "hsm.io" // the token failed, or the wrapped key can't be read or written
  | "hsm.timeout" // the token did not answer in time
  | "kx.connect" // the link to another KM could not be set up
  | "kx.closed" // the other KM closed it, or was given up
  | "kx.message" // a message that is not of the KM link's document
  | "web.listen" // the local page cannot be served
  | "config.file" // the file can't be read or is not TOML
  | "config.value" // a key of it is unknown, missing, or out of range
  | "notify" // systemd could not be told
  | "est" // a certificate could not be renewed
  | "update" // an update could not be fetched or installed
  | "invariant" // what the code takes for granted is not so: a defect
  | "stopped"; // the operation was ended by an orderly stop

/** Extra facts of a {@link Fault}, printed as `name=value`. Never input, never key bytes. */
export type FaultFacts = Readonly<Record<string, string | number | boolean>>;

export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly facts: FaultFacts;

  /**
   * @param code what failed
   * @param message one line for a person, without input in it
   * @param facts source, limit and whatever else helps to find the cause
   * @param cause the error below, if it is known to carry no input
   */
  constructor(code: FaultCode, message: string, facts: FaultFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }
}

/**
 * One line about anything thrown: the fault's own message, or a system error's code.
 * The text of errors that are not ours is used only for system and TLS errors, whose messages are
 * made by the operating system or by OpenSSL and do not quote what was read or written.
 */
export function describe(error: unknown): string {
  if (error instanceof Fault) {
    const facts = Object.entries(error.facts).map(([k, v]) => `${k}=${v}`);
    return facts.length === 0 ? error.message : `${error.message} (${facts.join(", ")})`;
  }
  const code = errorCode(error);
  if (code !== undefined) {
    const { message } = error as Error;
    return message.includes(code) ? message : `${code}: ${message}`;
  }
  return error instanceof Error ? error.name : "unknown error";
}

/** The `code` of a Node system error (`ECONNREFUSED`, `ERR_TLS_…`), if it has one. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
