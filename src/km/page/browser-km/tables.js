// Tables of a link: what became of its keys; its modules, applications, and who is who.
import { byId, fill } from "./dom.js";
import { factsGroup, factsTable } from "./facts.js";
import { amount, count, counted, duration, percent, words } from "./format.js";
import { stamp } from "./time.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["links"][number]} Link */
/** @typedef {Link["modules"][number]} Module */

/** @param {Link} link */
export function showMatching(link) {
  const oldest = link.waiting_keys === 0 ? "" : `, oldest ${duration(link.oldest_s * 1_000)}`;
  fill(
    byId("matching"),
    factsTable([
      ["Compared and equal", counted(link.compared_keys, "key")],
      ["Differing", counted(link.differing_keys, "key")],
      ["Waiting", `${counted(link.waiting_keys, "key")}${oldest}`],
      ["Expired unmatched", counted(link.expired_keys, "key")],
      ["Batches given up", count(link.aborted_batches)],
      ["Into stock, in all", amount(link.matched_bits, "bit")],
      ["On their way", amount(link.under_way_bits, "bit")],
      ["Fetched, in all", amount(link.taken_bits, "bit")],
      ["Not fetched in time", amount(link.unfetched_bits, "bit")],
      ["This KM", link.leads ? "leads: it proposes batches" : "follows"],
      ["Applications’ tables", link.same_policy ? "alike at both ends" : "differ at the two ends"],
    ]),
  );
}

/** @param {Module} module */
function moduleGroup({ name, module_id, matching_module_id, told, rates, ...counts }) {
  /** @type {(value: unknown) => number | undefined} */
  const number = (value) => (typeof value === "number" ? value : undefined);
  const { qber, secret_key_rate } = told?.current ? told.figures : {};
  const measured = number(qber);
  const rate = number(secret_key_rate);
  const state =
    told === undefined
      ? undefined
      : told.current
        ? `${told.module.toLowerCase()}, link ${told.link.toLowerCase()}`
        : `not known; told ${duration(told.age_s * 1_000)} ago`;
  return factsGroup(`Module ${name}`, [
    ["Module ID", module_id],
    ["Matching module", matching_module_id],
    ["Node", told?.node],
    ["State", state],
    ["QBER", measured === undefined ? undefined : percent(measured)],
    ["Secret key rate", rate === undefined ? undefined : amount(rate, "bit/s")],
    ["Received", `${counted(counts.received_keys, "key")}, ${amount(counts.received_bits, "bit")}`],
    ["Rate", `${amount(rates.bits, "bit/s")}, ${amount(rates.keys, "key/s")}`],
    ["Repeated", count(counts.repeats)],
    ["ID conflicts", count(counts.conflicts)],
  ]);
}

/** @param {Link | undefined} link @param {State} state */
function relayGroups(link, { passed }) {
  const of = link?.relay;
  const methods = (of?.methods ?? []).map(({ scheme, stock_bits, bits, pad_bits }) =>
    factsGroup(`Relayed by ${scheme}`, [
      ["Stock", amount(stock_bits, "bit")],
      ["Relayed", amount(bits, "bit")],
      ["Pads of all hops", amount(pad_bits, "bit")],
    ]),
  );
  const last = of?.last_failure;
  const pair =
    of === undefined
      ? []
      : [
          factsGroup("Relays of this link", [
            ["Under way", count(of.under_way)],
            ["Used of late", amount(of.used_bits_per_s, "bit/s")],
            [
              "Should have at least",
              of.low_bits === undefined ? undefined : amount(of.low_bits, "bit"),
            ],
            ["Nothing comes since", of.failing_since && stamp(Date.parse(of.failing_since))],
            ["Attempts that failed", count(of.failed)],
            [
              "Failed last",
              last &&
                `at ${last.at}, ${words(last.failure)}, by ${last.route.join(", ") || "no route"}`,
            ],
          ]),
        ];
  const others =
    passed === undefined || passed.relays + passed.failed === 0
      ? []
      : [
          factsGroup("Passed on for others", [
            ["Relays", count(passed.relays)],
            ["Key", amount(passed.bits, "bit")],
            ["Failed", count(passed.failed)],
          ]),
        ];
  return [...pair, ...methods, ...others];
}

/** @param {State} state */
function applicationGroups({ applications = [] }) {
  return applications.map(({ master, slave, requests, keys, refused }) =>
    factsGroup(`Applications ${master}, ${slave}`, [
      ["Questions", count(requests)],
      ["Keys handed out", count(keys)],
      ["Refused", count(refused)],
    ]),
  );
}

/** @param {State} state */
function controllerGroup({ controllers = [] }) {
  if (controllers.length === 0) return [];
  const rows = controllers.map(({ name, address, connected, standby, asked, since }) => {
    const is = connected ? (standby ? "stands by" : asked ? "asked" : "connected") : "away";
    return /** @type {[string, string]} */ ([
      name,
      `${is}, since ${stamp(Date.parse(since))}; ${address}`,
    ]);
  });
  return [factsGroup("Controllers", rows)];
}

/** @param {State} state */
function nodeAlarmGroup({ node_alarms }) {
  if (node_alarms.length === 0) return [];
  const rows = node_alarms.map(({ alarm, severity, node, text, detail, current }) => {
    const old = current ? "" : ", as it was told last";
    const says = [text, detail].filter((part) => part !== undefined && part !== "").join("; ");
    return /** @type {[string, string]} */ ([severity, `${alarm} of ${node}${old}: ${says}`]);
  });
  return [factsGroup("Alarms of nodes", rows)];
}

/** @param {Link | undefined} link @param {State} state */
export function showDetails(link, state) {
  const { km, refused } = state;
  const answers = Object.entries(refused).map(([reason, n]) => `${words(reason)} ${count(n)}`);
  fill(
    byId("details"),
    ...(link?.modules ?? []).map(moduleGroup),
    ...nodeAlarmGroup(state),
    ...relayGroups(link, state),
    ...applicationGroups(state),
    ...controllerGroup(state),
    factsGroup("Other key manager", [
      ["ID", link?.peer],
      ["Address", link === undefined ? undefined : (link.address ?? "it dials")],
      ["Key exchange", link?.key_exchange],
      ["Unit of a key", link === undefined ? undefined : `${count(link.unit_bits)} bit`],
    ]),
    factsGroup("This key manager", [
      ["ID", km.id],
      ["Software", `qkd-km ${km.version}`],
      ["Start", stamp(km.started)],
      ["Nodes refused", answers.join(", ")],
    ]),
  );
}
