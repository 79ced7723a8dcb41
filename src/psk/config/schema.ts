/**
 * The shape of a rotation's configuration file: every key, type, range and default. `README.md` of `src/psk` is the
 * table for people.
 */
import * as v from "valibot";
import {
  absolute,
  fileName,
  id,
  judged,
  listener,
  logSchema,
  peer,
  seconds,
  text,
  whole,
} from "../../host/config/values.ts";

const url = judged((value) => {
  const parsed = URL.parse(value);
  const isPlain = parsed?.protocol === "https:" && parsed.pathname === "/" && !parsed.search;
  return isPlain && parsed.username === "" ? undefined : "expected https://HOST:PORT";
});

export const kmSchema = v.strictObject({
  url,
  server_name: v.optional(id),
  ca: fileName,
  cert: fileName,
  key: fileName,
  crl: v.optional(fileName),
});

export const peerSchema = v.strictObject({
  sae: id,
  name: v.optional(id),
  host: v.optional(peer),
  port: v.optional(whole(1, 65_535)),
  ca: v.optional(fileName),
  crl: v.optional(fileName),
});

export const listenSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: whole(1, 65_535),
});

export const wireguardSchema = v.strictObject({
  interface: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9_=+.][A-Za-z0-9_=+.-]{0,14}$/, "expected the name of an interface"),
  ),
  peer: v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/, "expected the peer's public key")),
});

export const strongswanSchema = v.strictObject({
  ppk_id: id,
  connection: v.optional(id),
  socket: v.optional(absolute, "/var/run/charon.vici"),
});

export const commandSchema = v.strictObject({
  run: v.pipe(v.array(text), v.minLength(1, "expected a program and its arguments")),
  format: v.optional(v.picklist(["base64", "hex", "raw"]), "base64"),
});

export const configSchema = v.strictObject({
  role: v.picklist(["master", "slave"]),
  state_dir: absolute,
  interval_s: seconds(1, 86_400, 120),
  key_bits: v.optional(v.pipe(whole(128, 4_096), v.multipleOf(8, "expected a multiple of 8")), 256),
  km: kmSchema,
  peer: peerSchema,
  listen: v.optional(listenSchema),
  wireguard: v.optional(wireguardSchema),
  strongswan: v.optional(strongswanSchema),
  command: v.optional(commandSchema),
  log: v.optional(logSchema, {}),
});

export type RawConfig = v.InferOutput<typeof configSchema>;
