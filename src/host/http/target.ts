/** The form that a request to a proxy has; servers take it too (RFC 9112 §3.2.2). */
const absolute = /^https?:\/\/[^/?]*/i;

/** What a request asks for, as a path with a query or without: whichever form it was written in. Pure. */
export function originForm(url: string): string {
  if (url.startsWith("/")) return url;
  const path = url.replace(absolute, "");
  // An authority alone stands for its root.
  return path.startsWith("/") || path === url ? path : `/${path}`;
}
