// What a key manager's events are called.
import { plainEvent } from "./events.js";

/** @typedef {import("./live.js").PageEvent} PageEvent */

/** @type {Readonly<Record<string, [string, string]>>} */
const eventWords = {
  peer_ready: ["Other key manager connected, books compared", "good"],
  peer_lost: ["Other key manager lost", "bad"],
  km_controller_up: ["Controller connected", "good"],
  km_controller_down: ["Controller lost", "attention"],
  km_route_changed: ["Controller gave another route", ""],
  km_service_changed: ["Controller ordered another service of a link", ""],
  node_connected: ["Node connected", "good"],
  node_lost: ["Node lost", "attention"],
  key_differs: ["A key differs at the two ends", "bad"],
  keys_expired: ["Keys found no match in time", "attention"],
  keys_dropped: ["Keys dropped", "attention"],
  batch_given_up: ["Batch given up", ""],
  mac_missing: ["Keys are not compared: matching_mac differs at the two ends", "bad"],
  peer_twice: ["Two processes are the other key manager", "bad"],
  disk_restored: ["A disk is older than it was", "bad"],
  stock_lost: ["Stock lost", "attention"],
  store_full: ["Store full", "bad"],
  store_has_room: ["Store has room again", "good"],
};

/** @param {PageEvent} event */
export function describeEvent(event) {
  return plainEvent(event, eventWords);
}
