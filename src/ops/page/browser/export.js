// What is plotted, to take away: a table, and a picture.
import { charted } from "./charts.js";
import { stamp } from "./time.js";

/** @param {string} href @param {string} name of the file; empty: as the program names it */
function save(href, name) {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** Everything that is recorded, over the window that is shown. */
export function saveCsv() {
  const { kind, subject, window } = charted();
  if (subject === "") return;
  save(`/api/history.csv?${new URLSearchParams({ [kind]: subject, window })}`, "");
}

/**
 * The charts as they are on the screen, with their titles, whose they are, and the time.
 * @param {string} id of the program @param {number} now
 */
export function savePng(id, now) {
  const { subject, window, data, drawn } = charted();
  const canvases = drawn.map(({ plot }) => plot.ctx.canvas);
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
    `${id} ${subject}, last ${window}, until ${stamp(now)}`,
    margin,
    head / 2 + 4 * ratio,
  );
  let y = head;
  context.font = font(13);
  canvases.forEach((plot, i) => {
    let x = margin;
    const say = (/** @type {string} */ text, tone = "dim") => {
      context.fillStyle = colour(tone);
      context.fillText(text, x, y + title / 2);
      x += context.measureText(text).width;
    };
    const { chart } = /** @type {(typeof drawn)[number]} */ (drawn[i]);
    const { lines } = chart;
    say(lines.length === 1 ? chart.title : `${chart.title}: `);
    if (lines.length > 1) {
      lines.forEach(({ label, colour: tone }, n) => {
        say(`${n > 0 ? ", " : ""}${label} (`);
        say("—", tone);
        say(")");
      });
    }
    context.drawImage(plot, margin, y + title);
    y += plot.height + title;
  });
  const at = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  canvas.toBlob((blob) => {
    if (blob === null) return;
    const url = URL.createObjectURL(blob);
    save(url, `${id}-${subject}-${window}-${at}.png`);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }, "image/png");
}
