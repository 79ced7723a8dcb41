// What the program sends, and whether it still does.
import { received } from "./received.js";

/** @typedef {{ sequence: number, type: string, module?: string | undefined, at: number, routine: boolean, facts: Readonly<Record<string, string | number | boolean>> }} PageEvent */

/** It sends once a second: silent for this long, it is gone, ms. */
const silentMs = 3_500;
const retryMs = 1_000;

/**
 * @template State
 * @param {(state: State) => void} onState
 * @param {(lostSince: number | undefined) => void} onLink since when it is silent, browser's ms
 */
export function watchProgram(onState, onLink) {
  let heardAt = Date.now();
  let tried = Date.now();
  let lost = false;
  /** @type {EventSource} */
  let source;

  function open() {
    tried = Date.now();
    source = new EventSource("/api/stream");
    source.addEventListener("state", (message) => {
      heardAt = Date.now();
      if (lost) {
        lost = false;
        onLink(undefined);
      }
      onState(received(message.data));
    });
  }

  async function again() {
    source.close();
    tried = Date.now();
    try {
      // A stream that is refused does not say why; a browser that is logged out must log in.
      const answer = await fetch("/api/state", { cache: "no-store" });
      if (answer.status === 401) location.replace("/login");
    } catch {
      // Not there yet.
    }
    open();
  }

  open();
  setInterval(() => {
    const now = Date.now();
    const silent = now - heardAt > silentMs;
    if (silent || source.readyState === EventSource.CLOSED) {
      lost = true;
      onLink(heardAt);
      if (now - tried > retryMs + silentMs / 2) void again();
    }
  }, 500);
}
