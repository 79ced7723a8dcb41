// Elements of SVG, and the shapes that states and severities have: each is told by its form, too.
import { mark } from "./dom.js";

const namespace = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Severities: an octagon, a triangle, a diamond, a circle, a square; within 8 of the middle. @type {Readonly<Record<string, string>>} */
export const badges = {
  critical: "M-3.3-8h6.6L8-3.3v6.6L3.3 8h-6.6L-8 3.3v-6.6z",
  major: "M0-8.6L9 7.4H-9z",
  minor: "M0-9L9 0 0 9-9 0z",
  warning: "M0-7.5A7.5 7.5 0 1 1 0 7.5 7.5 7.5 0 1 1 0-7.5z",
  indeterminate: "M-7-7H7V7H-7z",
};

/** States of links, beside the look of their lines; within 5 of the middle. @type {Readonly<Record<string, string>>} */
export const signs = {
  bad: "M-3.6-3.6l7.2 7.2M3.6-3.6l-7.2 7.2",
  scarce: "M0-4.2V4M-3.2.8L0 4 3.2.8",
  unknown: "M-2.4-2.2C-2.4-5 2.6-5 2.6-2 2.6 0 0 0 0 2M0 4.3v.4",
};

/** Why a component takes no part. @type {Readonly<Record<string, string>>} */
export const services = {
  out_of_service: "M-4 0H4",
  standby: "M-2-3.5v7M2-3.5v7",
  reserved: "M-2.5 4v-8h3a2.3 2.3 0 0 1 0 4.6h-3M.6.6L3 4",
};

/** A node controller that reports: waves. */
export const waves = "M-4.5 2.5a6.4 6.4 0 0 1 9 0M-2.4 4.6a3.4 3.4 0 0 1 4.8 0";

/**
 * Keeps elements of a layer, each with a key, like a list of items; their order is of no matter.
 * @template Item
 * @param {Element} layer @param {readonly Item[]} items @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Element} create @param {(element: Element, item: Item) => void} update
 */
export function keepLayer(layer, items, keyOf, create, update) {
  const known = new Map(
    [...layer.children].map((child) => [child.getAttribute("data-key"), child]),
  );
  for (const item of items) {
    const key = keyOf(item);
    let element = known.get(key);
    if (element === undefined) {
      element = create(item);
      mark(element, "data-key", key);
      layer.append(element);
    }
    known.delete(key);
    update(element, item);
  }
  for (const child of known.values()) child.remove();
}
