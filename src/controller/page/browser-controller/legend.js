// What lines and shapes of the map mean.
import { byId, make } from "./dom.js";
import { badges, draw, signs, waves } from "./svg.js";

/** @param {(Node | string)[]} children */
function picture(...children) {
  return draw(
    "svg",
    { viewBox: "-18 -9 36 18", width: "36", height: "18", "aria-hidden": "true" },
    ...children,
  );
}

/** @param {string} state */
function line(state) {
  const half = draw("path", {
    class: "half",
    "data-state": state,
    "stroke-width": "2.5",
    d: "M-17 0H17",
  });
  const sign = draw(
    "g",
    { class: "mark", "data-state": state },
    draw("circle", { r: "7" }),
    draw("path", { class: "sign", d: signs[state] ?? "" }),
  );
  return state === "good" ? picture(half) : picture(half, sign);
}

/** @param {string} attached */
function node(attached) {
  const sign = attached === "all" ? "" : (signs.unknown ?? "");
  return picture(
    draw(
      "g",
      { class: "node", "data-attached": attached },
      draw("circle", { class: "body", r: "7" }),
      draw("path", { class: "sign", d: sign, transform: "scale(.8)" }),
    ),
  );
}

/** @param {string} severity */
function badge(severity) {
  const path = draw("path", { class: "badge", d: badges[severity] ?? "", transform: "scale(.85)" });
  return picture(draw("g", { "data-severity": severity }, path));
}

export function legend() {
  /** @type {readonly (readonly [SVGElement, string])[]} */
  const rows = [
    [line("good"), "Link with keys; the thicker, the higher its rate"],
    [line("scarce"), "Scarce: rationed"],
    [line("bad"), "Bad: takes no new relay"],
    [line("unknown"), "Unknown: nothing is known of it"],
    [
      picture(draw("path", { "data-route": "used", d: "M-17 0H17" })),
      "Route in use of the chosen pair",
    ],
    [picture(draw("path", { "data-route": "other", d: "M-17 0H17" })), "Its other routes"],
    [node("all"), "Node whose key manager is connected"],
    [node("none"), "Not connected"],
    [
      picture(draw("path", { class: "waves", "data-online": "all", d: waves })),
      "Node controller that reports over MQTT",
    ],
    [badge("critical"), "Critical"],
    [badge("major"), "Major"],
    [badge("minor"), "Minor"],
    [badge("warning"), "Warning"],
  ];
  byId("legend").replaceChildren(...rows.map(([shown, text]) => make("li", {}, shown, text)));
}
