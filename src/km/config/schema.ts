/**
 * The shape of the key manager's configuration file: every key, type, range and default. Strict: what is not
 * here is an error. `README.md` beside this file is the table for people.
 */
import * as v from "valibot";
import { name } from "../../host/config/name.ts";
import {
  absolute,
  fileName,
  id,
  listener,
  logSchema,
  peer,
  seconds,
  text,
  whole,
  within,
} from "../../host/config/values.ts";
import { flapEntries } from "../../ops/alarms/flap-config.ts";
import { localSchema } from "../../ops/local/schema.ts";
import { managerEntries } from "../../ops/manager/config.ts";
import { webTable } from "../../ops/page/config.ts";
import { estSchema } from "../../ops/renewal/config.ts";
import { supplyPathTemplate } from "../../wire/kq1/names.ts";
import { identityForm } from "../../wire/skip/names.ts";
import { commandNames } from "../commands/table.ts";
import { ckSchema, controllerSchema } from "./controllers.ts";
import { pairSchema, relaySchema } from "./relay.ts";

export const kmSchema = v.strictObject({ id, state_dir: absolute, site: v.optional(id) });

/** A token with the key that wraps the master key, by PKCS#11. */
export const hsmSchema = v.strictObject({
  module: absolute,
  token: v.optional(text),
  serial: v.optional(text),
  key: v.optional(text),
  pin_file: fileName,
  answer_timeout_s: seconds(1, 30, 20),
});

export const storeSchema = v.strictObject({
  master_key_file: v.optional(fileName),
  master_key_next_file: v.optional(fileName),
  hsm: v.optional(
    v.pipe(
      hsmSchema,
      v.transform(({ answer_timeout_s, ...rest }) => ({
        ...rest,
        answer_timeout: answer_timeout_s,
      })),
    ),
  ),
  limit_mb: v.optional(whole(16, 1_000_000), 4_096),
  wipe_after_s: seconds(1, 600, 10),
});

/** Records of the life of keys (Y.3803 §8.2.6). */
export const recordsSchema = v.strictObject({
  limit_mb: v.optional(whole(16, 1_000_000), 256),
  export: v.optional(v.boolean(), false),
});

/** The network manager, over MQTT. */
export const managerSchema = v.strictObject(managerEntries(commandNames));

/** How alarms are told. */
export const alarmsSchema = v.strictObject({
  peer_away_s: seconds(1, 3_600, 30),
  controller_away_s: seconds(1, 3_600, 30),
  certificate_days: v.optional(within(1, 365), 30),
  crl_left: v.optional(within(0.01, 0.9), 0.25),
  ...flapEntries,
});

const tls = { ca: fileName, cert: fileName, key: fileName, crl: v.optional(fileName) };

export const kq1Schema = v.strictObject({
  host: v.optional(listener, "::"),
  port: v.optional(whole(0, 65_535)),
  https_port: v.optional(whole(0, 65_535)),
  path: v.optional(v.string(), supplyPathTemplate),
  ca: v.optional(fileName),
  cert: v.optional(fileName),
  key: v.optional(fileName),
  crl: v.optional(fileName),
  plain: v.optional(v.boolean(), false),
});

export const kxSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: v.optional(whole(0, 65_535)),
  ...tls,
});

/** How a module's node is asked for keys (Kq-1 §7.2). */
export const requestSchema = v.strictObject({
  size_bits: v.optional(
    v.pipe(whole(8, 393_216), v.multipleOf(8, "expected a multiple of 8")),
    256,
  ),
  number: v.optional(whole(1, 1_024), 64),
  low_bits: v.optional(whole(0, 1_000_000_000), 262_144),
  high_bits: v.optional(whole(8, 1_000_000_000), 1_048_576),
  host: v.optional(peer),
  port: v.optional(whole(1, 65_535)),
  server_name: v.optional(id),
  answer_timeout_s: seconds(1, 300, 10),
});

export const moduleSchema = v.strictObject({
  module_id: id,
  matching_module_id: id,
  link: name,
  nodes: v.optional(v.array(id), []),
  mode: v.optional(v.picklist(["proactive", "on_request"]), "proactive"),
  request: v.optional(requestSchema, {}),
});

export const linkSchema = v.strictObject({
  peer: id,
  server_name: v.optional(id),
  host: v.optional(peer),
  port: v.optional(whole(1, 65_535)),
  unit_bits: v.optional(v.pipe(whole(8, 65_536), v.multipleOf(8, "expected a multiple of 8")), 256),
  match_within_s: seconds(1, 604_800, 3_600),
  relay: v.optional(pairSchema),
  takes: v.optional(v.picklist(["witnessed", "local"]), "witnessed"),
  matching_mac: v.optional(v.picklist(["session", "one-time"]), "session"),
});

const keyBits = (least: number) =>
  v.pipe(whole(least, 8_388_608), v.multipleOf(8, "expected a multiple of 8"));

/** Where applications ask for keys (ETSI GS QKD 014). */
export const etsi014Schema = v.strictObject({
  host: v.optional(listener, "::"),
  port: whole(0, 65_535),
  ...tls,
  key_bits: v.optional(keyBits(64), 256),
  min_key_bits: v.optional(keyBits(8), 64),
  max_key_bits: v.optional(keyBits(64), 1_048_576),
  max_keys: v.optional(whole(1, 1_024), 128),
  prepared_keys: v.optional(whole(0, 4_096), 256),
  outstanding_keys: v.optional(whole(1_000, 100_000_000), 100_000),
  pick_up_s: seconds(1, 31_536_000, 3_600),
  answer_timeout_s: seconds(0.1, 60, 3),
  tls12: v.optional(v.boolean(), false),
});

/** Where encryptors ask for keys (SKIP, draft-cisco-skip); the limits of `[etsi014]` are its limits, too. */
export const skipSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: whole(0, 65_535),
});

/** An application (SAE), of this KM or of another. */
export const saeSchema = v.strictObject({
  id: v.optional(id),
  km: v.optional(id),
  names: v.optional(v.array(id)),
  with: v.optional(v.array(id), []),
  keys_per_second: v.optional(whole(1, 10_000_000), 10_000),
  burst_keys: v.optional(whole(1, 10_000_000), 100_000),
  outstanding_keys: v.optional(whole(1, 100_000_000), 25_000),
  outstanding_bits: v.optional(whole(64, 1_000_000_000_000)),
  sessions: v.optional(v.boolean(), false),
  system_id: v.optional(id),
  skip_identity: v.optional(
    v.pipe(v.string(), v.regex(identityForm, "expected 4 to 128 letters, digits and signs")),
  ),
  skip_psk_file: v.optional(fileName),
});

/** The page of the key manager, its metrics and health: served where this table is. */
export const webSchema = webTable(8_781);

export const configSchema = v.strictObject({
  km: kmSchema,
  store: v.pipe(
    storeSchema,
    v.transform(({ wipe_after_s, ...rest }) => ({ ...rest, wipe_after: wipe_after_s })),
  ),
  records: v.optional(recordsSchema, {}),
  manager: v.optional(
    v.pipe(
      managerSchema,
      v.transform(({ telemetry_interval_s, ...rest }) => ({
        ...rest,
        telemetry_interval: telemetry_interval_s,
      })),
    ),
  ),
  alarms: v.optional(
    v.pipe(
      alarmsSchema,
      v.transform(({ peer_away_s, controller_away_s, flap_window_s, flap_quiet_s, ...rest }) => ({
        ...rest,
        peer_away: peer_away_s,
        controller_away: controller_away_s,
        flap_window: flap_window_s,
        flap_quiet: flap_quiet_s,
      })),
    ),
    {},
  ),
  est: v.optional(estSchema),
  kq1: v.optional(kq1Schema),
  kx: v.optional(kxSchema),
  module: v.optional(v.record(name, moduleSchema), {}),
  link: v.optional(
    v.record(
      name,
      v.pipe(
        linkSchema,
        v.transform(({ match_within_s, ...rest }) => ({ ...rest, match_within: match_within_s })),
      ),
    ),
    {},
  ),
  controller: v.optional(v.record(name, controllerSchema), {}),
  ck: v.optional(ckSchema),
  relay: v.optional(
    v.pipe(
      relaySchema,
      v.transform(({ within_s, ...rest }) => ({ ...rest, within: within_s })),
    ),
    {},
  ),
  etsi014: v.optional(
    v.pipe(
      etsi014Schema,
      v.transform(({ pick_up_s, answer_timeout_s, ...rest }) => ({
        ...rest,
        pick_up: pick_up_s,
        answer_timeout: answer_timeout_s,
      })),
    ),
  ),
  skip: v.optional(skipSchema),
  sae: v.optional(v.record(name, saeSchema), {}),
  web: v.optional(webSchema),
  log: v.optional(logSchema, {}),
  local: v.optional(localSchema, {}),
});

export type RawConfig = v.InferOutput<typeof configSchema>;
