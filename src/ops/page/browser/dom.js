// Small helpers: nothing is written that has not changed, so that a screen reader stays calm and a
// selection stays where it is.

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string} value */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Replaces what is in an element if the new content would be another.
 * @param {Element} element @param {(Node | string)[]} children
 */
export function fill(element, ...children) {
  const next = document.createElement("div");
  next.append(...children);
  if (next.innerHTML !== element.innerHTML) element.replaceChildren(...next.childNodes);
}

/**
 * Keeps a list of elements, each with a key, like a list of items.
 * @template Item
 * @param {Element} list
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Element} create
 * @param {(element: Element, item: Item) => void} [update]
 */
export function keepList(list, items, keyOf, create, update = () => {}) {
  const known = new Map([...list.children].map((child) => [child.getAttribute("data-key"), child]));
  items.forEach((item, i) => {
    const key = keyOf(item);
    const element = known.get(key) ?? create(item);
    known.delete(key);
    mark(element, "data-key", key);
    update(element, item);
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
  for (const child of known.values()) child.remove();
}
