import type UPlot from "uplot";

declare global {
  /** From `/uplot.js`, which is no module. */
  const uPlot: typeof UPlot;
}
