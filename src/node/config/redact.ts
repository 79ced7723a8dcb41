/**
 * A configuration that may be shown. What is shown is named here; anything else, such as a key that
 * stands in the wrong place, is not. Pure, and without dependencies.
 */

/** Every key of the configuration; a test compares with the schema. None of them holds a secret. */
const known: ReadonlySet<string> = new Set(
  (
    "node id state_dir log level timestamps local socket act read manager url base protocol username " +
    "password_file metrics_token_file ca cert key crl telemetry_interval_s command_key public_key commands server host " +
    "port alarms certificate_days storage_free flap_count flap_window_s flap_quiet_s km transport path " +
    "connections server_name window hash_value answer_timeout_s connect_timeout_s module name mode module_id " +
    "matching_module_id qber_limit qber_required key_bits max_held_blocks max_held_bytes intermittent qber_warning " +
    "qber_drift detector_drift key_rate_min key_interval_s no_key_intervals buffer_warning " +
    "telemetry_stale_s settle_s driver kind baud rtscts channel address folder pipe role epoch " +
    "max_block_bytes notification_wait_s web enabled names ledger group_records " +
    "group_delay_s reserve_bytes spool max_bytes sparkplug group edge_node panel maintenance " +
    "on_tamper on_lost expected kq2 crl_fresh crl_left require_pq allow_common_name classical_link"
  ).split(" "),
);

const files: ReadonlySet<string> = new Set(
  "password_file metrics_token_file ca cert key crl".split(" "),
);

export const redacted = "(not shown)";

/** Longer than any name, path or public key that belongs into a configuration, characters. */
const longest = 512;

function show(value: unknown, key: string, depth: number): unknown {
  if (depth > 8) return redacted;
  if (Array.isArray(value)) return value.map((one) => show(one, key, depth + 1));
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object" && value !== null) {
    const named = key === "km" && depth === 1;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        if (!named && !known.has(name)) return [shortName(name), redacted];
        return [shortName(name), show(inner, name, depth + 1)];
      }),
    );
  }
  if (typeof value === "string" && !harmless(value, files.has(key))) return redacted;
  return typeof value === "bigint" ? String(value) : value;
}

function shortName(name: string): string {
  return name.length <= 64 ? name : redacted;
}

/** Not a key in PEM, no password in an address, nor one where the name of a file should be. */
function harmless(text: string, file: boolean): boolean {
  if (file && !/[./]/.test(text)) return false;
  return text.length <= longest && !/-----BEGIN|\n/.test(text) && !/:\/\/[^/\s]*@/.test(text);
}

/** @param table a configuration as TOML reads it, good or not */
export function redactedTable(table: unknown): unknown {
  return show(table, "", 0);
}

/** Tables as `km.main.port` → value; arrays of tables by their index, lists as JSON. */
export function flatten(table: unknown): Map<string, string> {
  const flat = new Map<string, string>();
  const walk = (value: unknown, path: string) => {
    const list = Array.isArray(value);
    if (list && !value.some((one) => typeof one === "object" && one !== null)) {
      flat.set(path, JSON.stringify(value));
    } else if (list) {
      for (const [i, one] of value.entries()) walk(one, `${path}[${i}]`);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        walk(inner, path === "" ? name : `${path}.${name}`);
      }
    } else {
      flat.set(path, JSON.stringify(value));
    }
  };
  walk(table, "");
  return flat;
}
