/**
 * Under which address a task's pages are seen. Each task has a host name, and so an origin, of its own: what one person's
 * notebook runs in a browser can read neither the app nor the notebook of somebody else. Browsers take every name below
 * `localhost` for this machine without asking anybody; elsewhere a domain with a wildcard is needed.
 */

export interface TaskAddress {
  readonly scheme: "http" | "https";
  /** Lower case. */
  readonly domain: string;
  /** As browsers write it: null where it is the scheme's own. */
  readonly port: number | null;
}

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^(?:(https?)://)?(${LABEL}(?:\\.${LABEL})*)(?::(\\d{1,5}))?/?$`);
const SCHEME_PORT = { http: 80, https: 443 } as const;
/** Of a host name, all labels and dots. */
const NAME_CHARS_MAX = 230;

/**
 * @param text `tasks.example.com`; or `https://tasks.example.com` behind a proxy that ends TLS there
 * @param port at which this server listens
 * @returns undefined where it names no domain
 */
export function readTaskDomain(text: string, port: number): TaskAddress | undefined {
  const [, scheme, domain = "", ownPort] = DOMAIN.exec(text.toLowerCase()) ?? [];
  // Numbers alone are an address, below which there are no names.
  if (domain === "" || domain.length > NAME_CHARS_MAX || /(?:^|\.)\d+$/.test(domain))
    return undefined;
  const how = (scheme ?? "http") as TaskAddress["scheme"];
  const outside =
    ownPort === undefined ? (scheme === undefined ? port : SCHEME_PORT[how]) : Number(ownPort);
  if (outside < 1 || outside > 65_535) return undefined;
  return { scheme: how, domain, port: outside === SCHEME_PORT[how] ? null : outside };
}

export const LOCAL_DOMAIN = "localhost";

/** Where the browser finds a task, without a slash at the end. */
export function originOf({ scheme, domain, port }: TaskAddress, experiment: number): string {
  return `${scheme}://task-${experiment}.${domain}${port === null ? "" : `:${port}`}`;
}

/**
 * Which task a request is for, by its Host header. The port is not looked at: behind a forwarded port it is another.
 * @returns undefined for every name that is none of ours
 */
export function taskOfHost(address: TaskAddress, host: string | undefined): number | undefined {
  const [, name = "", domain] =
    /^task-([1-9]\d{0,9})\.([a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host ?? "") ?? [];
  return domain?.toLowerCase() === address.domain ? Number(name) : undefined;
}
