// One tab for each of several things that the page can show: modules, or links.
import { byId, keepList, make, mark } from "./dom.js";

/** @typedef {{ name: string, condition: { level: string, text: string } }} Shown */

/** @type {{ list: readonly Shown[], selected: string, onSelect: (name: string) => void }} */
let now = { list: [], selected: "", onSelect: () => {} };

/**
 * @param {readonly Shown[]} list @param {string} selected
 * @param {(name: string) => void} onSelect
 */
export function showTabs(list, selected, onSelect) {
  now = { list, selected, onSelect };
  const tabs = byId("tabs");
  tabs.hidden = list.length < 2;
  if (tabs.hidden) return;
  keepList(
    tabs,
    list,
    ({ name }) => name,
    ({ name }) => {
      const label = make("span", {}, name);
      const tab = make(
        "button",
        { type: "button", role: "tab" },
        make("span", { class: "dot" }),
        label,
      );
      tab.addEventListener("click", () => now.onSelect(name));
      return tab;
    },
    (tab, { name, condition }) => {
      mark(tab, "aria-selected", String(name === selected));
      mark(tab, "tabindex", name === selected ? "0" : "-1");
      mark(tab, "data-level", condition.level);
      mark(tab, "aria-label", `${name}: ${condition.text}`);
    },
  );
}

byId("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const { list, selected, onSelect } = now;
  if (step === undefined || list.length === 0) return;
  const at = list.findIndex(({ name }) => name === selected);
  const next = (at + step + list.length) % list.length;
  onSelect(list[next]?.name ?? "");
  const tab = byId("tabs").children[next];
  if (tab instanceof HTMLElement) tab.focus();
});
