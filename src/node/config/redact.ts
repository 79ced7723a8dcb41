/** What of a node's configuration may be shown. Pure. */
import { redactTable, type Shown } from "../../host/config/redact.ts";

export { flatten, redacted } from "../../host/config/redact.ts";

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
    "max_block_bytes notification_wait_s lead kme own_sae partner_sae dialect batch status_s timeout_s patience_s " +
    "peer figures format every_s map from unit lost_limit slow_s empty_s web enabled names ledger group_records " +
    "group_delay_s reserve_bytes spool max_bytes sparkplug group edge_node panel maintenance " +
    "on_tamper on_lost expected kq2 crl_fresh crl_left require_pq allow_common_name classical_link est first at"
  ).split(" "),
);

const shown: Shown = { keys: known, named: ["km", "map"] };

/** @param table a configuration as TOML reads it, good or not */
export function redactedTable(table: unknown): unknown {
  return redactTable(table, shown);
}
