/** Names and addresses of other machines, as a configuration may have them. Pure. */
import { isIP, isIPv4 } from "node:net";
import { domainToASCII } from "node:url";

/** What a problem begins with; a configuration's messages all do. */
const expected = "expected a name or an address, such as km.example, 192.0.2.7 or ::1";

/** The longest name of the DNS, characters (RFC 1035 §2.3.4). */
const longestName = 253;

/**
 * Why a text can be neither a name nor an address that is connected to or listened on.
 * @returns undefined if it can; else a sentence that begins with "expected"
 */
export function hostProblem(text: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return `${expected}, not a URL`;
  if (isIP(text) !== 0) {
    // Multicast, and the broadcast address: TCP has no use for them.
    const many = /^(22[4-9]|23\d|255\.255\.255\.255$)/.test(text) || /^ff[0-9a-f]{2}:/i.test(text);
    return many ? `${expected}; this is the address of many machines` : undefined;
  }
  if (/^\[.*\]$/.test(text)) return `${expected}, without brackets`;
  if (/[\s/?#@\\]/.test(text)) return `${expected}, and nothing else`;
  if (text.includes("*")) return `${expected}; a pattern is none`;
  if (/^[^:]*:\d+$/.test(text)) return `${expected}, without a port`;
  if (text.includes(":")) return `${expected}; this is no address of IPv6`;
  // The system reads `127.1` and `0x7f.1` as addresses, which is never meant.
  const last = text.replace(/\.$/, "").split(".").at(-1) ?? "";
  if (/^(\d+|0x[0-9a-f]*)$/i.test(last)) return `${expected}; this is no address of IPv4`;
  const ascii = asciiHost(text);
  if (ascii === "") return `${expected}; this is no name`;
  const name = ascii.replace(/\.$/, "");
  if (name.length > longestName) return `${expected}; a name has at most ${longestName} characters`;
  const labels = name.split(".");
  const label = labels.find((one) => !/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(one));
  if (label === undefined) return undefined;
  return label.length > 63
    ? `${expected}; a part of a name has at most 63 characters`
    : `${expected}; this is no name`;
}

/** Why no connection can be made to it, though it is an address: those that are listened on only. */
export function peerProblem(text: string): string | undefined {
  const anywhere = text === "0.0.0.0" || (isIP(text) === 6 && /^[0:]+$/.test(text));
  if (anywhere) return `${expected}; this one is for listening only`;
  // RFC 4007 §6: an address of a link is one on each interface.
  const isOfLink = isIP(text) === 6 && /^fe[89ab]/i.test(text);
  if (isOfLink && !text.includes("%"))
    return `${expected}; behind this one stands its interface, as in fe80::1%eth0`;
  return hostProblem(text);
}

/** As it is looked up and sent: a name of another script in ASCII. Empty if it is none. */
export function asciiHost(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : domainToASCII(text);
}

/** Where a broker or server is. */
export interface Place {
  readonly secure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

const broker = "expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]";
const url = /^(mqtts?):\/\/(\[[^\]]*\]|[^[\]:/?#@\s]*)(?::([^/?#@\s]*))?([/?#@\s].*)?$/;

/** Why a text is no broker's address. @returns undefined if it is; else begins with "expected" */
export function brokerProblem(text: string): string | undefined {
  const [, scheme, host = "", port, rest] = url.exec(text) ?? [];
  if (scheme === undefined) {
    return broker;
  }
  if (!host.startsWith("[") && port?.includes(":")) {
    return `${broker}; an address of IPv6 stands in brackets, and a port once`;
  }
  if (rest !== undefined) {
    const why = text.includes("@")
      ? "user and password have keys of their own"
      : "nothing after it";
    return `${broker}; ${why}`;
  }
  if (port !== undefined && !isPort(port)) return `${broker}, PORT from 1 to 65535`;
  const inner = host.replace(/^\[|\]$/g, "");
  if (host.startsWith("[") && isIP(inner) !== 6) {
    return `${broker}; in brackets stands an address of IPv6`;
  }
  // As RFC 6874 has it in URLs: it would be an interface called 25eth0.
  if (inner.includes("%25"))
    return `${broker}; an interface stands as in [fe80::1%eth0], without 25`;
  const wrong = peerProblem(inner);
  return wrong && `${broker}: ${wrong.replace(/^expected/, "HOST is")}`;
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** Where a broker is. @param text without a {@link brokerProblem} */
export function brokerPlace(text: string): Place {
  const [, scheme, host = "", port] = url.exec(text) ?? [];
  const secure = scheme === "mqtts";
  const standard = secure ? 8_883 : 1_883;
  const inner = asciiHost(host.replace(/^\[|\]$/g, ""));
  return { secure, host: inner, port: port === undefined ? standard : Number(port) };
}

/** Whether an address is one of this machine that no other can reach. */
export function isOwnAddress(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
