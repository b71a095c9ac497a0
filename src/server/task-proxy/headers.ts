/**
 * What passes between a browser and a task's program. Pure, because what it says decides who learns what: the program is
 * somebody's code, and the browser is a person who is signed in.
 */
/** They speak of one connection and not of the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Who the person is, and what only the proxy itself may say of the way here. */
const NOT_IN = (name: string): boolean =>
  name === "authorization" ||
  name === "expect" ||
  name === "forwarded" ||
  name === "x-real-ip" ||
  name.startsWith("x-forwarded-") ||
  name.startsWith("x-contrail-");

/** A program does not say who else may read it, nor keep a worker that outlives it; nor what holds for our whole domain. */
const NOT_OUT = (name: string): boolean =>
  name.startsWith("access-control-") ||
  name === "service-worker-allowed" ||
  name === "strict-transport-security" ||
  name === "public-key-pins" ||
  name === "alt-svc" ||
  name === "clear-site-data" ||
  name === "x-frame-options" ||
  name === "x-content-type-options" ||
  name === "cross-origin-resource-policy" ||
  name === "cross-origin-opener-policy";

/** Said by us, whatever the program says: no page of another origin shows it, opens it to keep hold of it, or guesses its types. */
const OURS: readonly (readonly [string, string])[] = [
  // A second policy beside the program's own: both hold.
  ["Content-Security-Policy", "frame-ancestors 'self'"],
  ["X-Frame-Options", "SAMEORIGIN"],
  ["X-Content-Type-Options", "nosniff"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
];

/** Cookies of the app and of its tasks, at whatever port. */
export const isOwnCookie = (name: string): boolean =>
  /^(?:__(?:host|secure)-)?contrail_(?:session|task)(?:_\d+)?$/i.test(name.trim());

/** The cookies of a request that are the program's. */
function foreignCookies(header: string): string | undefined {
  const kept = header
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "" && !isOwnCookie(part.split("=")[0] ?? ""));
  return kept.length === 0 ? undefined : kept.join("; ");
}

export const portOfHost = (host: string): string | undefined => /:(\d{1,5})$/.exec(host)?.[1];

type Pair = readonly [name: string, value: string];

/** node:http's flat list of names and values. */
export function pairsOf(flat: readonly string[]): Pair[] {
  const pairs: Pair[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2)
    pairs.push([flat[at] as string, flat[at + 1] as string]);
  return pairs;
}

/** Without what belongs to one connection. */
function endToEnd(rawHeaders: readonly string[]): Pair[] {
  const pairs = pairsOf(rawHeaders);
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(",").map((word) => word.trim().toLowerCase())),
  );
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !named.has(lower);
  });
}

/** @param scheme under which the browser sees the task @returns a flat list for node:http */
export function headersIn(rawHeaders: readonly string[], scheme: string): string[] {
  const passed = endToEnd(rawHeaders).flatMap(([name, value]): Pair[] => {
    const lower = name.toLowerCase();
    if (NOT_IN(lower)) return [];
    if (lower !== "cookie") return [[name, value]];
    const cookies = foreignCookies(value);
    return cookies === undefined ? [] : [[name, cookies]];
  });
  return [...passed, ["X-Forwarded-Proto", scheme] as Pair].flat();
}

/** @returns a flat list for node:http */
export function headersOut(rawHeaders: readonly string[]): string[] {
  const passed = endToEnd(rawHeaders).filter(([name, value]) => {
    const lower = name.toLowerCase();
    return !NOT_OUT(lower) && !(lower === "set-cookie" && isWideCookie(value));
  });
  return [...passed, ...OURS].flat();
}

/** One that would be sent to more than the task's own host, or bears a name of ours. */
function isWideCookie(value: string): boolean {
  const [pair = "", ...attributes] = value.split(";");
  return (
    isOwnCookie(pair.split("=")[0] ?? "") ||
    attributes.some((attribute) => /^\s*domain\s*(?:=|$)/i.test(attribute))
  );
}

export interface Asked {
  readonly method: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly isUpgrade: boolean;
}

/**
 * Whether the task's own page asked, or a person who typed the address or followed a link to it. Cookies do not tell: two
 * tasks of one domain are the same site, and a browser sends them along whoever asks.
 * @returns why not, or undefined
 */
export function foreignAsker(
  { method, host, headers, isUpgrade }: Asked,
  scheme: string,
): string | undefined {
  const { origin } = headers;
  const own = `${scheme}://${host}`.toLowerCase();
  if (origin !== undefined && String(origin).toLowerCase() !== own)
    return "comes from another origin";
  const isRead = method === "GET" || method === "HEAD";
  if (origin === undefined && (isUpgrade || !isRead)) return "names no origin";
  const site = headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin") return undefined;
  const isOpened =
    isRead && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
  return isOpened ? undefined : "comes from another page";
}
