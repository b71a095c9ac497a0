/**
 * What a browser shows at a task's own origin: which allocation it may see, and through which token or session of the
 * person it was let in, signed with the server's secret. It is of the task's host alone, scripts cannot read it, and the
 * program never gets to see it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { portOfHost } from "./headers.ts";
import type { Admission } from "./tickets.ts";

const NAME = "contrail_task";
const VALUE = /^(\d{1,10}\.\d{1,10}\.\d{1,10})_([0-9a-f]{16})_([0-9a-f]{64})$/;

export class TaskCookies {
  readonly #secret: Buffer;

  /** @param secret of the server */
  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** A Set-Cookie header. */
  header({ allocation, tokenId }: Admission, host: string, isSecure: boolean): string {
    const value = `${allocation}_${tokenId}_${this.#sign(allocation, tokenId)}`;
    // Lax: the link that opens it may stand in any page, and what it opens has to follow.
    const base = `${nameAt(host)}=${value}; Path=/; HttpOnly; SameSite=Lax`;
    return isSecure ? `${base}; Secure` : base;
  }

  /** What the cookies of a request admit to. Several may bear the name: others of the domain can set cookies too. */
  read(header: string | undefined, host: string): Admission[] {
    return (header ?? "").split(";").flatMap((part) => {
      const [name = "", value = ""] = part.trim().split("=");
      if (name !== nameAt(host)) return [];
      const [, allocation = "", tokenId = "", signature = ""] = VALUE.exec(value) ?? [];
      const isOurs =
        signature !== "" &&
        timingSafeEqual(Buffer.from(signature), Buffer.from(this.#sign(allocation, tokenId)));
      return isOurs ? [{ allocation, tokenId }] : [];
    });
  }

  #sign(allocation: string, tokenId: string): string {
    const what = `task page ${allocation} ${tokenId}`;
    return createHmac("sha256", this.#secret).update(what).digest("hex");
  }
}

/** Cookies are not kept apart by port: without it two servers of one machine would sign each other out. */
function nameAt(host: string): string {
  const port = portOfHost(host);
  return port === undefined ? NAME : `${NAME}_${port}`;
}
