/** What a person or a script tells an emulated panel to do, a line each. */
import type { Attachment } from "./attachment.ts";
import type { EmulatedController } from "./controller.ts";

export const help = `  open N, close N    a tamper contact, from 1
  press, release     the zeroize button
  key on|off         the key switch: maintenance or not
  unplug, plug       the cable
  silent on|off      it says nothing, and hears nothing
  restart            its firmware starts anew; latches stay
  replace            another controller, which has seen nothing
  forget             its memory was lost
  garbage N          N reports of random bytes
  flood N            N status reports, contact 1 and key chattering
  status             what it shows and has latched`;

/** @returns what to print, or undefined @throws Error with a line for a person */
export async function obey(
  line: string,
  panel: EmulatedController,
  attachment: Attachment,
  random: () => number = Math.random,
): Promise<object | undefined> {
  const [word = "", value = "", ...rest] = line.trim().split(/\s+/);
  const number = Number(value);
  const count = () => {
    if (!Number.isSafeInteger(number) || number < 1 || number > 1_000_000) {
      throw new Error(`${word}: expected a number from 1`);
    }
    return number;
  };
  const onOff = () => {
    if (value !== "on" && value !== "off") throw new Error(`${word}: expected on or off`);
    return value === "on";
  };
  if (rest.length > 0) throw new Error(`${word}: too many words`);
  switch (word) {
    case "open":
    case "close":
      if (count() > 8) throw new Error(`${word}: there are 8 contacts at most`);
      panel.contact(number - 1, word === "open");
      return undefined;
    case "press":
    case "release":
      panel.press(word === "press");
      return undefined;
    case "key":
      panel.key(onOff());
      return undefined;
    case "unplug":
      await attachment.unplug();
      return undefined;
    case "plug":
      await attachment.plug();
      return undefined;
    case "silent":
      panel.silent = onOff();
      return undefined;
    case "restart":
      panel.restart();
      return undefined;
    case "replace":
      panel.replace();
      return undefined;
    case "forget":
      panel.memoryLost = true;
      panel.tell();
      return undefined;
    case "garbage":
      for (let i = count(); i > 0; i--) {
        const length = Math.floor(random() * 64) + 1;
        panel.sendRaw(Buffer.from(Array.from({ length }, () => Math.floor(random() * 256))));
      }
      return undefined;
    case "flood":
      for (let i = count(); i > 0; i--) {
        if (i % 2 === 0) panel.contact(0, i % 4 === 0);
        else panel.key(i % 4 === 1);
      }
      return undefined;
    case "status":
      return {
        hosted: panel.hosted,
        lights: panel.lights,
        latched: panel.latched,
        host_errors: panel.hostErrors,
      };
    default:
      throw new Error(`no such word: ${word.slice(0, 32)}`);
  }
}
