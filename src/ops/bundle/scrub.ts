/**
 * Text of others, such as a journal, without what may be a secret. The node's own log has none in it;
 * what else writes there is not known. Pure.
 */

const pem = /-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(-----END [A-Z0-9 ]{1,40}-----|$)/g;
/** Up to the last `@` of the word: a password that was not escaped may have others, and slashes. */
const userinfo = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]{1,256}@/gi;
/** Also at the end of a longer name, such as `db_password` or `PGPASSWORD`; the short words only where one begins. */
const named =
  /(pass(?:word|phrase|wd)|secret|token|(?<![a-z0-9])(?:pass|psk|pin))(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)/gi;
/** 20 bytes or more in hex, base64, or as decimal numbers. */
const hex = /(?<![\w-])(?:[0-9a-f]{2}[ :]?){20,}(?![\w-])/gi;
const base64 = /(?<![\w/+.-])[A-Za-z0-9+/_-]{27,}={0,2}(?![\w/+.-])/g;
const decimals = /(?<!\d)(?:\d{1,3}, ?){19,}\d{1,3}(?!\d)/g;

const gone = "(not shown)";

/** Long words are names and paths far more often than keys: those have both cases and digits mixed. */
function keyLike(word: string): boolean {
  // A key_ID is no secret.
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(word)) return false;
  if (/^\/|\/[a-z]+\//.test(word)) return false;
  const switches = word
    .replace(/[^A-Za-z0-9]/g, "")
    .match(/[a-z][A-Z]|[A-Z][a-z]|[A-Za-z]\d|\d[A-Za-z]/g);
  return (switches?.length ?? 0) >= word.length / 5;
}

export function scrub(text: string): string {
  return text
    .replace(pem, gone)
    .replace(userinfo, `$1${gone}@`)
    .replace(named, `$1$2${gone}`)
    .replace(hex, gone)
    .replace(decimals, gone)
    .replace(base64, (word) => (keyLike(word) ? gone : word));
}
