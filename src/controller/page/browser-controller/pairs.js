// Pairs that the program does not send by itself are asked for: those that are searched, and the chosen one.
import { received } from "./received.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Pair} Pair */

/** After the last letter of a search, ms. */
const typingMs = 250;
/** What was asked for is asked for again, ms. */
const againMs = 5_000;

/** By what they were asked with. @type {Map<string, readonly Pair[]>} */
const found = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let asked = 0;

/** Those that are sent, and those that were asked for. @param {State} state @returns {readonly Pair[]} */
export function knownPairs({ pairs }) {
  if (found.size === 0) return pairs;
  const all = new Map([...found.values()].flat().map((pair) => [pair.pair, pair]));
  for (const pair of pairs) all.set(pair.pair, pair);
  return [...all.values()];
}

/**
 * @param {readonly string[]} texts names or parts of them; empty ones are not asked for
 * @param {State} state @param {() => void} onFound
 */
export function askPairs(texts, state, onFound) {
  clearTimeout(timer);
  const mine = ++asked;
  const wanted = state.totals.pairs > state.pairs.length ? texts.filter((text) => text !== "") : [];
  for (const text of [...found.keys()]) if (!wanted.includes(text)) found.delete(text);
  if (wanted.length === 0) return;
  const ask = async () => {
    for (const search of wanted) {
      try {
        const answer = await fetch(`/api/pairs?${new URLSearchParams({ search })}`);
        if (mine !== asked) return;
        if (answer.ok) found.set(search, received(await answer.text()).pairs);
      } catch {
        // It is away: what is here stays.
      }
    }
    if (mine !== asked) return;
    onFound();
    timer = setTimeout(ask, againMs);
  };
  timer = setTimeout(ask, typingMs);
}
