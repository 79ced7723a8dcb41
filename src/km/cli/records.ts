/** What records tell, for people, in 80 columns. Pure. */
import { counted } from "../../base/words.ts";
import { facts, table, wrap } from "../../host/terminal/table.ts";
import { bytes, moment, timesOf, timeTitle, whole } from "../../host/terminal/units.ts";
import type {
  Affected,
  AffectedUse,
  GivenUp,
  KeyLine,
  KeyList,
  KeyStory,
  StoryStep,
} from "../records/tellings.ts";
import { isRelayUse } from "../relay/ports.ts";
import { relayedDone, relayedLines, usedLines } from "./relayed.ts";

const width = 80;
/** Lines of a list that is not for programs. */
const mostLines = 1_000;

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

const reasons: Readonly<Record<string, string>> = {
  them: "the other KM lacked it",
  unknown: "the other KM was not there for it",
  order: "an operator ordered it",
  conflict: "another content came under its ID",
  restored: "a disk was put back",
  left_over: "its module is not in the configuration",
};

function because(reason: string | undefined): string {
  const words = reason && reasons[reason];
  return words ? `: ${words}` : "";
}

function place({ extent, start, end }: StoryStep): string {
  const of = start === undefined || end === undefined ? "" : `, bytes ${start} to ${end - 1}`;
  return `extent ${extent}${of}`;
}

function key({ ksa_key }: StoryStep): string {
  return ksa_key === undefined ? "" : ` as KSA-key ${ksa_key}`;
}

function whom({ applications }: StoryStep): string {
  return applications === undefined ? "" : ` for ${applications}`;
}

/** Who of several has the key by then. */
function fetched({ fetched: those }: StoryStep): string {
  return those === undefined ? "" : `; ${those} ${those.includes(",") ? "have" : "has"} it`;
}

/** One step in words. */
export function stepText(step: StoryStep): string {
  const { reason, bits = 0, kma_keys } = step;
  switch (step.step) {
    case "received": {
      const which = /^[0-9a-f]{8}-/.test(reason ?? "") ? ` as QKD-key ${reason}` : "";
      const made =
        step.generated === undefined ? "" : `, generated ${moment(step.generated, "ms")}`;
      const qber = step.qber === undefined ? "" : `, QBER ${(step.qber * 100).toFixed(2)} %`;
      return `received from ${step.module} (matching ${step.matching_module})${which}: ${counted(bits, "bit")}${made}${qber}`;
    }
    case "waits":
      return "waits for its match";
    case "matched": {
      const [first, last] = kma_keys ?? ["", ""];
      const units = first === last ? `KMA-key ${first}` : `KMA-keys ${first} to ${last}`;
      return `compared and matched into ${place(step)}: ${units}`;
    }
    case "no_match":
      return `found no match in time${because(reason)}`;
    case "differs":
      return "has other bytes at the other end: void at both";
    case "conflict":
      return "another content came under its ID";
    case "dropped":
      return `left the buffer without a use${because(reason)}`;
    case "offered":
      return `offered to the other KM${key(step)}${whom(step)}`;
    case "prepared":
      return `bound at the other KM, for no application yet${key(step)}`;
    case "supplied":
      return `supplied${key(step)}${whom(step)}${fetched(step)}`;
    case "bound":
      return `bound for the other KM's application${key(step)}${whom(step)}${fetched(step)}`;
    case "taken":
      return `taken by the application${key(step)}${whom(step)}${fetched(step)}`;
    case "expired":
      return `not fetched in time${key(step)}${whom(step)}${fetched(step)}`;
    case "void":
      return `void${key(step)}`;
    case "given_up":
      return `void at both ends on an order: ${place(step)}`;
    case "fate":
      return `the other end says: ${step.fate === "expired" ? "not fetched in time" : step.fate}${key(step)}`;
    case "gave":
      return "given to the other KM";
    case "got":
      return "came to be this KM's own";
    case "lost":
      return "used at the other end, as what is not known: a disk was put back";
    case "order":
      return `given up by order of ${step.by ?? "an operator"}`;
    case "relayed": {
      const by = (step.route ?? []).join(" > ");
      return reason === undefined ? `relayed by ${by}` : `its relay by ${by} failed: ${reason}`;
    }
    case "deleted":
      return `extent ${step.extent} is used up and deleted`;
  }
}

export function storyText({ id, kind, link, kms, steps, left_out }: KeyStory): string {
  if (kind === "unknown") {
    return text(
      wrap(
        `${id}: not known here. It never came, or its records are older than what is kept.`,
        width,
      ),
    );
  }
  const times = timesOf(
    steps.map(({ t }) => t),
    "ms",
  );
  const on = link === undefined ? "" : `, link ${link}`;
  const between = kms === undefined ? "" : ` (${kms[0]} and ${kms[1]})`;
  return text([
    ...wrap(`${kind} ${id}${on}${between}`, width),
    "",
    ...table(
      [{ title: timeTitle(times) }, { title: "WHAT BECAME OF IT" }],
      steps.map((step) => [times.show(step.t), stepText(step)]),
      width,
    ),
    ...(left_out > 0 ? ["", `and ${counted(left_out, "step")} more`] : []),
  ]);
}

const became: Readonly<Record<KeyLine["became"], string>> = {
  waits: "waits",
  matched: "matched",
  no_match: "no match",
  differs: "differs",
  dropped: "dropped",
  conflict: "conflict",
};

export function listText({ module_id, keys, left_out }: KeyList): string {
  const total = keys.length + left_out;
  if (total === 0) return text([`${module_id}: no key of this time is on record`]);
  const shown = keys.slice(0, mostLines);
  const times = timesOf(shown.map(({ received }) => received));
  const more = total - shown.length;
  return text([
    `${module_id}: ${counted(total, "QKD-key")}`,
    "",
    ...table(
      [
        { title: "QKD-KEY" },
        { title: timeTitle(times) },
        { title: "BITS", right: true },
        { title: "BECAME" },
      ],
      shown.map(({ id, received, bits, became: what, extent }) => [
        id,
        times.show(received),
        String(bits),
        extent === undefined ? became[what] : `ext. ${extent}`,
      ]),
      width,
    ),
    ...(more > 0
      ? ["", `and ${counted(more, "key")} more: ask for a shorter time, or --json`]
      : []),
  ]);
}

const states: Readonly<Record<string, string>> = {
  O: "offered",
  P: "prepared",
  S: "supplied",
  B: "bound",
  T: "taken",
  X: "not fetched",
  V: "void",
};

function useLines(uses: readonly AffectedUse[]): string[] {
  if (uses.length === 0) return [];
  const shown = uses.slice(0, mostLines);
  const times = timesOf(shown.map(({ t }) => t));
  const rows = shown.map(({ ksa_key, t, state, applications = "" }) => [
    ksa_key,
    times.show(t),
    [states[state] ?? state, applications].filter((part) => part !== "").join(", "),
  ]);
  const columns = [{ title: "KSA-KEY" }, { title: timeTitle(times) }, { title: "STATE" }];
  const more = uses.length - shown.length;
  return [
    "",
    ...table(columns, rows, width),
    ...(more > 0 ? [`and ${counted(more, "KSA-key")} more: --json`] : []),
  ];
}

/** What an answer about a link tells, before anything is done. */
export function affectedText(affected: Affected): string {
  const { link, from, to, matched_keys, waiting_keys, unused_keys, kma_keys } = affected;
  // A key manager that still runs older software does not say.
  const { left_over_keys = 0 } = affected;
  const { extents, without_record, ksa_keys, free_bits, bits, left_out } = affected;
  const all = matched_keys + waiting_keys + unused_keys;
  const numbers = extents.map(({ extent }) => extent);
  const pads = ksa_keys.filter(({ applications }) => isRelayUse(applications)).length;
  const unknown =
    without_record.length === 0
      ? []
      : [["no record", `${counted(without_record.length, "extent")} could have some`] as const];
  return text([
    ...wrap(`link ${link}, ${moment(from)} to ${moment(to)}: ${counted(all, "QKD-key")}`, width),
    "",
    ...facts(
      [
        ["key", bytes(bits / 8)],
        ["matched", `${counted(matched_keys, "QKD-key")}, in ${inExtents(numbers)}`],
        ["waiting", counted(waiting_keys, "QKD-key")],
        ...(left_over_keys > 0
          ? [["of no module now", `${counted(left_over_keys, "QKD-key")} waiting`] as const]
          : []),
        ["came to nothing", counted(unused_keys, "QKD-key")],
        ...unknown,
        ["affected", counted(kma_keys, "KMA-key")],
        ["used for", counted(ksa_keys.length - pads, "KSA-key")],
        ...(pads > 0 ? [["pads of relays", counted(pads, "KSA-key")] as const] : []),
        ["still free", `${bytes(free_bits / 8)}, of both owners`],
      ],
      width,
    ),
    ...useLines(ksa_keys),
    ...relayedLines(affected.relayed),
    ...(affected.relayed?.links ?? []).flatMap(({ link: far, ksa_keys: uses }) => {
      const lines = useLines(uses);
      return lines.length === 0 ? [] : ["", `of link ${far}, by these relays:`, ...lines];
    }),
    ...(left_out > 0 ? ["", `and ${whole(left_out)} more that there was no room for`] : []),
  ]);
}

function inExtents(numbers: readonly number[]): string {
  const least = Math.min(...numbers);
  const most = Math.max(...numbers);
  if (numbers.length === 0) return "no extent";
  const which = least === most ? `${least}` : `${least} to ${most}`;
  return `${counted(numbers.length, "extent")} (${which})`;
}

export function givenUpText(done: GivenUp): string {
  const { dropped_keys, void_extents, void_bits, left_keys, link_up } = done;
  // A key manager that still runs older software does not say.
  const { ended_relays = 0 } = done;
  const lines: string[] = [
    `void at ${link_up ? "both ends" : "this end"}: ${bytes(void_bits / 8)} of ${counted(void_extents, "extent")}`,
    `dropped from the buffer: ${counted(dropped_keys, "QKD-key")}`,
  ];
  if (ended_relays > 0) {
    lines.push(`ended while the key was on its way: ${counted(ended_relays, "relay")}`);
  }
  lines.push(...usedLines(done), ...relayedDone(done));
  if (!link_up) {
    lines.push(
      ...wrap(
        "The link is down: the other key manager may still supply what it has from before. It is told as soon as the link is up.",
        width,
      ),
    );
  }
  if (left_keys > 0) {
    const they = left_keys === 1 ? "is" : "are";
    lines.push(
      ...wrap(
        `${counted(left_keys, "key")} ${they} in a batch or an offer that is under way: give the order again when the link is up.`,
        width,
      ),
    );
  }
  return text(lines);
}
