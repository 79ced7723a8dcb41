// Messages put together: the first has all of the network, those after it what is new.

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Message} Message */

const keys = /** @type {const} */ ({
  nodes: "km",
  links: "link",
  pairs: "pair",
  sessions: "session",
});

/**
 * @param {State | undefined} state @param {Message} message
 * @returns {State | undefined} undefined as long as nothing whole has come
 */
export function merged(state, message) {
  if (message.whole) return message;
  if (state === undefined) return undefined;
  const { lists, ...values } = message;
  const next = /** @type {any} */ ({ ...state, ...values, whole: true });
  for (const [name, change] of Object.entries(lists)) {
    const key = keys[/** @type {keyof typeof keys} */ (name)];
    const rows = new Map(next[name].map((/** @type {any} */ row) => [row[key], row]));
    for (const id of change.gone) rows.delete(id);
    for (const row of change.rows) rows.set(/** @type {any} */ (row)[key], row);
    next[name] = [...rows.values()];
  }
  return next;
}
