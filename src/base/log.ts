/**
 * Structured log lines: `level=info at=kq1 msg="connected" km=km.example:9443`, one event a line.
 *
 * Facts are strings, numbers and booleans only: an object (a key, a buffer, a parsed message) does
 * not fit through the type, and that is the point.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export type LogFacts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
  /** A log for a part of the node; `facts` are on each of its lines. */
  child(at: string, facts?: LogFacts): Log;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** The longest value printed; a peer's text is cut there. */
const maxValue = 256;

function format(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const cut = value.length > maxValue ? `${value.slice(0, maxValue)}…` : value;
  return /^[\w.:/@+-]+$/.test(cut) ? cut : JSON.stringify(cut);
}

/**
 * @param write takes one line without its line feed
 * @param threshold the least level that is written
 * @param stamp makes the `ts` of a line; undefined leaves it out (journald adds its own)
 */
export function createLog(
  write: (line: string) => void,
  threshold: LogLevel,
  stamp?: () => string,
): Log {
  const make = (prefix: string): Log => {
    const at = (level: LogLevel) => (message: string, facts?: LogFacts) => {
      if (rank[level] < rank[threshold]) return;
      let line = stamp === undefined ? "" : `ts=${stamp()} `;
      line += `level=${level}${prefix} msg=${JSON.stringify(message)}`;
      for (const name in facts) {
        const value = facts[name];
        if (value !== undefined) line += ` ${name}=${format(value)}`;
      }
      write(line);
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child(name, facts = {}) {
        let more = prefix === "" ? ` at=${name}` : prefix.replace(/ at=\S+/, `$&.${name}`);
        for (const key in facts) {
          const value = facts[key];
          if (value !== undefined) more += ` ${key}=${format(value)}`;
        }
        return make(more);
      },
    };
  };
  return make("");
}

/** Swallows everything. */
const nothing = () => {};
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
