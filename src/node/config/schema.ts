/**
 * The shape of the configuration file: every key, type, range and default. Strict: what is not here
 * is an error. `README.md` beside this file is the table for people; a test compares the two.
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
  whole,
  within,
} from "../../host/config/values.ts";
import { flapEntries } from "../../ops/alarms/flap-config.ts";
import * as local from "../../ops/local/schema.ts";
import { managerEntries } from "../../ops/manager/config.ts";
import { webTable } from "../../ops/page/config.ts";
import { estSchema } from "../../ops/renewal/config.ts";
import { supplyPathTemplate } from "../../wire/kq1/names.ts";
import { thresholds } from "../alarms/thresholds.ts";
import { commandNames } from "../commands/table.ts";

export const nodeSchema = v.strictObject({ id: name, state_dir: absolute });

/** How what became of keys is recorded. */
export const ledgerSchema = v.strictObject({
  group_records: v.optional(whole(1, 65_536), 4_096),
  group_delay_s: seconds(0, 1, 0.05),
  reserve_bytes: v.optional(whole(0, 16_777_216), 262_144),
});

/** Who on this machine may look at the node, and act on it. */
export const localSchema = v.strictObject({
  ...local.localSchema.entries,
  maintenance: v.optional(local.socketPath),
});

/** A level of a topic of Sparkplug B. */
const sparkplugName = v.pipe(
  v.string(),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: brokers refuse them (MQTT 5 §1.5.4)
  v.regex(/^[^/+#\u0000-\u001f\u007f-\u009f]{1,64}$/, "expected 1 to 64 characters without / + #"),
);

export const sparkplugSchema = v.strictObject({
  group: sparkplugName,
  edge_node: v.optional(sparkplugName),
});

export const managerSchema = v.strictObject({
  ...managerEntries(commandNames),
  sparkplug: v.optional(sparkplugSchema),
});

/** Alarms of the node itself, and what holds for all of them. */
export const alarmsSchema = v.strictObject({
  certificate_days: v.optional(within(1, 365), 30),
  crl_left: v.optional(within(0.01, 0.9), 0.25),
  classical_link: v.optional(v.boolean(), true),
  storage_free: v.optional(within(0.02, 0.9), 0.1),
  ...flapEntries,
});

function tunable({ min, max, standard }: (typeof thresholds)[keyof typeof thresholds]) {
  return v.optional(within(min, max), standard);
}

/** Thresholds of one module's alarms, by the names of the command `set_threshold`. */
export const moduleAlarmsSchema = v.strictObject({
  intermittent: v.optional(v.boolean(), false),
  qber_warning: tunable(thresholds.qber_warning),
  qber_drift: tunable(thresholds.qber_drift),
  detector_drift: tunable(thresholds.detector_drift),
  key_rate_min: tunable(thresholds.key_rate_min),
  key_interval_s: tunable(thresholds.key_interval_s),
  no_key_intervals: tunable(thresholds.no_key_intervals),
  buffer_warning: tunable(thresholds.buffer_warning),
  telemetry_stale_s: tunable(thresholds.telemetry_stale_s),
  settle_s: tunable(thresholds.settle_s),
});

export const kmSchema = v.strictObject({
  host: peer,
  port: whole(1, 65_535),
  transport: v.optional(v.picklist(["tls", "https", "plain"]), "tls"),
  path: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\/[\x21-\x7e]{0,255}$/, "expected a path that begins with /"),
      v.check((path) => !path.includes("#"), "expected a path without #: it is not sent"),
      v.check(
        (path) => !/[{}]/.test(path.replace(/\{(matching_)?qkd_module_ID\}/g, "")),
        "expected no braces but {qkd_module_ID} and {matching_qkd_module_ID}",
      ),
    ),
    supplyPathTemplate,
  ),
  connections: v.optional(whole(1, 64), 8),
  server_name: v.optional(peer),
  ca: v.optional(fileName),
  cert: v.optional(fileName),
  key: v.optional(fileName),
  crl: v.optional(fileName),
  crl_fresh: v.optional(v.boolean(), false),
  require_pq: v.optional(v.boolean(), false),
  window: v.optional(whole(1, 4_096), 256),
  hash_value: v.optional(v.boolean(), true),
  answer_timeout_s: seconds(0.1, 300, 10),
  connect_timeout_s: seconds(0.1, 300, 5),
  kq2: v.optional(v.picklist(["auto", "off", "required"]), "auto"),
});

/** The longest QKD-key in bits; the same number as custody's `longestKeyBits` (a test compares). */
export const mostKeyBits = 376_000;

/** Where keys of a module are kept that cannot keep them itself. */
export const spoolSchema = v.strictObject({
  key: fileName,
  max_bytes: v.optional(whole(1_048_576, 1_099_511_627_776), 67_108_864),
});

export const moduleSchema = v.strictObject({
  name,
  km: v.pipe(
    v.union([name, v.pipe(v.array(name), v.minLength(1, "expected at least one KM"))]),
    v.transform((kms) => [kms].flat()),
  ),
  mode: v.optional(v.picklist(["proactive", "on_request"]), "proactive"),
  module_id: v.optional(id),
  matching_module_id: v.optional(id),
  qber_limit: v.optional(within(0, 0.5), 0.11),
  qber_required: v.optional(v.boolean()),
  key_bits: v.optional(
    v.pipe(
      whole(64, mostKeyBits),
      v.check((bits) => bits % 8 === 0, "expected a multiple of 8"),
    ),
  ),
  max_held_blocks: v.optional(whole(1, 1_000_000), 1_024),
  max_held_bytes: v.optional(whole(65_536, 1_073_741_824), 4_194_304),
  alarms: v.optional(moduleAlarmsSchema, {}),
  spool: v.optional(spoolSchema),
  driver: v.looseObject({ kind: v.string() }),
});

export const serverSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: whole(1, 65_535),
  ca: fileName,
  cert: fileName,
  key: fileName,
  crl: v.optional(fileName),
  crl_fresh: v.optional(v.boolean(), false),
  require_pq: v.optional(v.boolean(), false),
  allow_common_name: v.optional(v.boolean(), false),
});

/** The local page, metrics and health. */
export const webSchema = webTable(8_780);

/** The chassis panel. What tampering does can't be undone, so it has no default. */
export const panelSchema = v.strictObject({
  on_tamper: v.picklist(["stop", "zeroize"]),
  on_lost: v.optional(v.picklist(["supply", "stop"]), "supply"),
  expected: v.optional(v.boolean(), true),
  socket: v.optional(
    // The longest path that a Unix socket takes is 107 bytes.
    v.pipe(absolute, v.maxBytes(107, "expected at most 107 bytes")),
    "/run/qkd-node/panel.sock",
  ),
});

/** Lengths of time lose the unit in their names here: they are `Duration`s from now on. */
export const configSchema = v.strictObject({
  node: nodeSchema,
  log: v.optional(logSchema, {}),
  ledger: v.optional(
    v.pipe(
      ledgerSchema,
      v.transform(({ group_delay_s, ...rest }) => ({ ...rest, group_delay: group_delay_s })),
    ),
    {},
  ),
  local: v.optional(localSchema, {}),
  manager: v.optional(
    v.pipe(
      managerSchema,
      v.transform(({ telemetry_interval_s, ...rest }) => ({
        ...rest,
        telemetry_interval: telemetry_interval_s,
      })),
    ),
  ),
  est: v.optional(estSchema),
  server: v.optional(serverSchema),
  web: v.optional(webSchema, {}),
  alarms: v.optional(
    v.pipe(
      alarmsSchema,
      v.transform(({ flap_window_s, flap_quiet_s, ...rest }) => ({
        ...rest,
        flap_window: flap_window_s,
        flap_quiet: flap_quiet_s,
      })),
    ),
    {},
  ),
  panel: v.optional(panelSchema),
  km: v.pipe(
    v.record(
      name,
      v.pipe(
        kmSchema,
        v.transform(({ answer_timeout_s, connect_timeout_s, ...rest }) => ({
          ...rest,
          answer_timeout: answer_timeout_s,
          connect_timeout: connect_timeout_s,
        })),
      ),
    ),
    v.check((kms) => Object.keys(kms).length > 0, "expected at least one [km.NAME] table"),
  ),
  module: v.pipe(v.array(moduleSchema), v.minLength(1, "expected at least one [[module]] table")),
});

export type RawConfig = v.InferOutput<typeof configSchema>;
