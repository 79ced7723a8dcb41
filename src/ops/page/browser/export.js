// What is plotted, to take away: a table, and a picture.
import { byId } from "./dom.js";
import { plotted } from "./plots.js";
import { stamp } from "./time.js";

/** @param {string} href @param {string} name of the file; empty: as the node names it */
function save(href, name) {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** Everything that is recorded, over the window that is shown. */
export function saveCsv() {
  const { module, window } = plotted();
  if (module !== "") save(`/api/history.csv?${new URLSearchParams({ module, window })}`, "");
}

/**
 * The two plots as they are on the screen, with their titles, node and time.
 * @param {string} node @param {number} now
 */
export function savePng(node, now) {
  const { module, window, data, plots } = plotted();
  const canvases = plots.flatMap((plot) => (plot === undefined ? [] : [plot.ctx.canvas]));
  if (data === undefined || canvases.length === 0) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  const ratio = devicePixelRatio;
  const [margin, head, title] = [14 * ratio, 40 * ratio, 26 * ratio];
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(...canvases.map(({ width }) => width)) + 2 * margin;
  canvas.height = head + canvases.reduce((sum, { height }) => sum + height + title, 0) + margin;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const font = (/** @type {number} */ size) =>
    `${size * ratio}px system-ui, "DejaVu Sans", sans-serif`;
  context.fillStyle = colour("panel");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.textBaseline = "middle";
  context.fillStyle = colour("text");
  context.font = font(15);
  context.fillText(
    `${node} ${module}, last ${window}, until ${stamp(now)}`,
    margin,
    head / 2 + 4 * ratio,
  );
  let y = head;
  const unit = byId("rate-unit").textContent;
  const titles = ["QBER, %", `Key rate, ${unit}: distilled (`, "), confirmed by the KM ("];
  context.font = font(13);
  canvases.forEach((plot, i) => {
    let x = margin;
    const say = (/** @type {string} */ text, tone = "dim") => {
      context.fillStyle = colour(tone);
      context.fillText(text, x, y + title / 2);
      x += context.measureText(text).width;
    };
    say(titles[i] ?? "");
    if (i === 1) {
      say("—", "a");
      say(titles[2] ?? "");
      say("—", "b");
      say(")");
    }
    context.drawImage(plot, margin, y + title);
    y += plot.height + title;
  });
  const at = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  canvas.toBlob((blob) => {
    if (blob === null) return;
    const url = URL.createObjectURL(blob);
    save(url, `${node}-${module}-${window}-${at}.png`);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }, "image/png");
}
