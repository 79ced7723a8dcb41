/**
 * The shape of the controller's configuration file: every key, type, range and default. Strict: what is not here is an
 * error. `README.md` beside this file is the table for people; tables of the network are in `network.ts`.
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
import { commandNames } from "../commands/table.ts";
import { applicationSchema, classSchema, linkSchema, nodeSchema, pairSchema } from "./network.ts";

export const controllerSchema = v.strictObject({
  id,
  state_dir: absolute,
  mode: v.optional(v.picklist(["centralized", "distributed"]), "centralized"),
});

/** Where key managers connect. */
export const ckSchema = v.strictObject({
  host: v.optional(listener, "::"),
  port: v.optional(whole(0, 65_535), 8_790),
  ca: fileName,
  cert: fileName,
  key: fileName,
  crl: v.optional(fileName),
});

/** PostgreSQL in the place of the file in `state_dir`: for two controllers. */
export const databaseSchema = v.strictObject({
  host: v.union([absolute, peer]),
  port: v.optional(whole(1, 65_535), 5_432),
  name: v.optional(text, "qkd-controller"),
  user: v.optional(text, "qkd-controller"),
  password_file: v.optional(fileName),
  ca: v.optional(fileName),
  server_name: v.optional(id),
});

/** The network manager, over MQTT. */
export const managerSchema = v.strictObject({
  ...managerEntries(commandNames),
  nodes: v.optional(v.boolean(), true),
});

/** How alarms are told. */
export const alarmsSchema = v.strictObject({
  km_away_s: seconds(1, 3_600, 30),
  certificate_days: v.optional(within(1, 365), 30),
  crl_left: v.optional(within(0.01, 0.9), 0.25),
  ...flapEntries,
});

const bits = (standard: number) => v.optional(whole(0, 1_000_000_000_000), standard);

/** Numbers of the rules by which routes are given. */
export const routingSchema = v.strictObject({
  // Of less than two reports: see `notes.ts`.
  silent_s: seconds(5, 3_600, 15),
  average_s: seconds(1, 3_600, 60),
  settle_s: seconds(0, 3_600, 10),
  hold_down_s: seconds(0, 3_600, 30),
  drain_s: seconds(0, 600, 10),
  avoid_s: seconds(0, 3_600, 10),
  hysteresis: v.optional(within(0, 10), 0.1),
  routes: v.optional(whole(1, 16), 8),
  transit: v.optional(whole(0, 30), 30),
  empty_bits: bits(2_048),
  low_bits: bits(65_536),
  enough_bits: bits(131_072),
  bad_alarms: v.optional(
    v.pipe(v.array(name), v.maxLength(64, "expected at most 64 names of alarms")),
    ["qber_high", "optical_link_down", "module_fault", "keys_differ"],
  ),
  class: v.optional(name),
});

export const sessionsSchema = v.strictObject({
  most: v.optional(whole(1, 1_000_000), 10_000),
  of_application: v.optional(whole(1, 1_000_000), 1_000),
  longest_s: seconds(1, 31_536_000, 86_400),
});

export const accountingSchema = v.strictObject({
  period_s: seconds(60, 86_400, 3_600),
  periods: v.optional(whole(1, 100_000), 744),
});

const day_ms = 86_400_000;
const days = (most: number, standard: number) => v.optional(within(0.01, most), standard);

/** The authority that certifies who is registered. */
export const authoritySchema = v.strictObject({
  cert: fileName,
  key: fileName,
  days: days(3_650, 90),
  list_days: days(365, 7),
});

/** Who may connect without being registered. */
export const accessSchema = v.strictObject({
  open_to_kms: v.optional(v.boolean(), false),
  open_to_applications: v.optional(v.boolean(), true),
  ca: v.optional(
    v.pipe(
      authoritySchema,
      v.transform(({ days: life, list_days, ...rest }) => ({
        ...rest,
        life: life * day_ms,
        list_life: list_days * day_ms,
      })),
    ),
  ),
});

/** The map of the controller, its metrics and health: served where this table is. */
export const webSchema = webTable(8_782);

const named = <const T extends v.GenericSchema>(schema: T) =>
  v.optional(v.record(name, schema), {});

export const configSchema = v.strictObject({
  controller: controllerSchema,
  ck: ckSchema,
  est: v.optional(estSchema),
  database: v.optional(databaseSchema),
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
      v.transform(({ km_away_s, flap_window_s, flap_quiet_s, ...rest }) => ({
        ...rest,
        km_away: km_away_s,
        flap_window: flap_window_s,
        flap_quiet: flap_quiet_s,
      })),
    ),
    {},
  ),
  routing: v.optional(
    v.pipe(
      routingSchema,
      v.transform(({ silent_s, average_s, settle_s, hold_down_s, drain_s, avoid_s, ...rest }) => ({
        ...rest,
        silent: silent_s,
        average: average_s,
        settle: settle_s,
        hold_down: hold_down_s,
        drain: drain_s,
        avoid: avoid_s,
      })),
    ),
    {},
  ),
  sessions: v.optional(
    v.pipe(
      sessionsSchema,
      v.transform(({ longest_s, ...rest }) => ({ ...rest, longest: longest_s })),
    ),
    {},
  ),
  accounting: v.optional(
    v.pipe(
      accountingSchema,
      v.transform(({ period_s, ...rest }) => ({ ...rest, period: period_s })),
    ),
    {},
  ),
  access: v.optional(accessSchema, {}),
  node: named(nodeSchema),
  link: named(linkSchema),
  pair: named(pairSchema),
  class: named(classSchema),
  application: named(applicationSchema),
  web: v.optional(webSchema),
  log: v.optional(logSchema, {}),
  local: v.optional(localSchema, {}),
});

export type RawConfig = v.InferOutput<typeof configSchema>;
