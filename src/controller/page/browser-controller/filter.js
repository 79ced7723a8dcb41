// What is looked for: by text, by alarm, by site. Pure.

/** @typedef {import("./state.js").Filter} Filter */
/** @typedef {ReadonlyMap<string, import("./state.js").Node>} Nodes by KM ID */
/** @typedef {import("./state.js").Alarm} Alarm */

/** ITU-T X.733, the worst first. */
export const severities = ["critical", "major", "minor", "warning", "indeterminate"];

/** @param {readonly { severity: string }[]} alarms @returns {string} empty without any */
export function worst(alarms) {
  return severities.find((one) => alarms.some(({ severity }) => severity === one)) ?? "";
}

/** @param {readonly Alarm[]} alarms @param {string} wanted */
function alarming(alarms, wanted) {
  if (wanted === "") return true;
  if (wanted === "alarm") return alarms.length > 0;
  const least = severities.indexOf(wanted);
  return alarms.some(({ severity }) => severities.indexOf(severity) <= least);
}

/** @param {readonly string[]} texts @param {string} search */
function has(texts, search) {
  return search === "" || texts.some((text) => text.toLowerCase().includes(search));
}

/** @param {import("./state.js").Node} node @param {Filter} filter */
export function fitsNode({ km, name, site, applications, controllers, alarms }, filter) {
  const texts = [km, name, site, ...applications, ...controllers.map(({ node }) => node)];
  return (
    (filter.site === "" || site === filter.site) &&
    alarming(alarms, filter.severity) &&
    has([...texts, ...alarms.map((alarm) => alarm.name)], filter.search)
  );
}

/** @param {Nodes} nodes @param {readonly string[]} kms @param {string} site */
function touches(nodes, kms, site) {
  return site === "" || kms.some((km) => nodes.get(km)?.site === site);
}

/** @param {Nodes} nodes @param {{ a: string, b: string }} ends @returns {string[]} */
function called(nodes, { a, b }) {
  return [a, b].flatMap((km) => [km, nodes.get(km)?.name ?? ""]);
}

/** @param {import("./state.js").Link} link @param {Filter} filter @param {Nodes} nodes */
export function fitsLink(link, filter, nodes) {
  const { alarms, reason, state } = link;
  const texts = [
    link.link,
    ...called(nodes, link),
    state,
    reason,
    ...alarms.map(({ name }) => name),
  ];
  return (
    touches(nodes, [link.a, link.b], filter.site) &&
    alarming(alarms, filter.severity) &&
    has(texts, filter.search)
  );
}

/** @param {import("./state.js").Pair} pair @param {Filter} filter @param {Nodes} nodes */
export function fitsPair(pair, filter, nodes) {
  const none = pair.route.length === 0 ? ["no route"] : [];
  const texts = [pair.pair, ...called(nodes, pair), pair.class, ...none];
  return touches(nodes, [pair.a, pair.b], filter.site) && has(texts, filter.search);
}

/** @param {Filter} filter */
export function isEmpty({ search, severity, site }) {
  return search === "" && severity === "" && site === "";
}
