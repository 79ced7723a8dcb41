// New alarms are said aloud: all of one message together, since of what is replaced at once only the last is read.
import { byId } from "./dom.js";
import { counted } from "./format.js";

/** Of more at once the worst are said, and how many others there are. */
const mostSaid = 3;
const severities = ["critical", "major", "minor", "warning"];

/** @typedef {{ severity: string, text: string }} Fresh */
/** @type {Fresh[]} */
let waiting = [];

/** @param {readonly Fresh[]} alarms those that are new; of what, and what */
export function sayAloud(alarms) {
  if (alarms.length === 0) return;
  if (waiting.length === 0) queueMicrotask(speak);
  waiting = [...waiting, ...alarms];
}

/** @param {Fresh} alarm */
function rank({ severity }) {
  const i = severities.indexOf(severity);
  return i === -1 ? severities.length : i;
}

function speak() {
  const worst = waiting.toSorted((a, b) => rank(a) - rank(b));
  waiting = [];
  const texts = worst.slice(0, mostSaid).map(({ severity, text }) => `Alarm, ${severity}, ${text}`);
  const others = worst.length - texts.length;
  if (others > 0) texts.push(counted(others, "more alarm"));
  byId("announce").replaceChildren(texts.join(". "));
}
