/** What the proxy itself has to say to a person in a browser: a sentence or two, and nothing that runs. */
import type { ServerResponse } from "node:http";

export interface PlainPage {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** Looks again after so many seconds. */
  readonly againS?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const asText = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

export function sendPage(response: ServerResponse, page: PlainPage): void {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${asText(page.title)}</title>
<h1>${asText(page.title)}</h1>
<p>${asText(page.text)}
`;
  response.writeHead(page.status, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    ...(page.againS === undefined ? {} : { Refresh: String(page.againS) }),
    ...page.headers,
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
