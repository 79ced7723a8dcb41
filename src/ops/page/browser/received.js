// What the program sent, as the page takes it.

/** What breaks a line, or turns the order of letters round: a name with it would have what follows read backwards. */
const turning = /[\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Texts of others are shown with a dot for it, as on the command line. @param {string} json */
export function received(json) {
  return JSON.parse(json.replace(turning, "·"));
}
