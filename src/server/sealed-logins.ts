/**
 * Logins at registries, kept where nobody reads them: a file each, for this user alone, beside everything that is shown.
 * A configuration is read by all who may see the experiment, stands in exports and is copied by forks; so what a person
 * wrote there is replaced at submission by a name, which means nothing anywhere else.
 *
 * The name is a signature of the content under the server's secret: the same login has one file, and nobody can try
 * passwords against it.
 */
import { createHmac } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../base/json.ts";
import { writePrivate } from "../engines/runner-record.ts";
import { withoutNulls } from "../protocol/config/config.ts";
import type { RegistryAuth } from "../protocol/config/container-fields.ts";
import { editText, textOf } from "../protocol/config/edit.ts";
import { ContrailError } from "../protocol/errors.ts";

type Login = Readonly<Record<string, string>>;

export class SealedLogins {
  readonly #folder: string;
  readonly #secret: Buffer;
  readonly #known = new Map<string, Login>();

  /** @param secret the server's */
  constructor(folder: string, secret: Buffer) {
    this.#folder = folder;
    this.#secret = secret;
  }

  /** @returns the name under which it is found again */
  seal(login: Login): string {
    const text = JSON.stringify(Object.entries(login).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const name = createHmac("sha256", this.#secret).update(`registry login ${text}`).digest("hex");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    if (!existsSync(this.#path(name))) writePrivate(this.#path(name), JSON.stringify(login));
    return name;
  }

  /** @returns undefined where it was sealed by another server, or its file is gone */
  open(name: string): Login | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    try {
      const login = JSON.parse(readFileSync(this.#path(name), "utf8")) as Login;
      this.#known.set(name, login);
      return login;
    } catch {
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}

/** A configuration, or part of one. */
type Holder = object & { readonly environment?: object | null };

/**
 * A submission without the login that stands in it: configuration and text say `sealed` in its place.
 * @throws ContrailError where it names a sealed login that is not here
 */
export function withoutLogin<C extends Holder>(
  submitted: { readonly config: C; readonly text: string },
  logins: SealedLogins,
): { config: C; text: string } {
  const { config, text } = submitted;
  const { registry_auth } = (config.environment ?? {}) as { registry_auth?: RegistryAuth | null };
  if (registry_auth == null) return { config, text };
  if (registry_auth.sealed !== undefined) {
    refuseUnknown(registry_auth.sealed, logins);
    return { config, text };
  }
  const sealed = { sealed: logins.seal(words(registry_auth)) };
  const bare: C = {
    ...config,
    environment: { ...config.environment, registry_auth: sealed },
  };
  // From the defaults of a pool: its author's text says nothing of it, and need not.
  if (!/registry_auth/.test(text)) return { config: bare, text };
  const whole = withoutNulls(bare as unknown as JsonObject);
  const path = ["environment", "registry_auth"];
  let edited: string;
  try {
    edited = editText(text, [{ path, value: sealed }], whole);
  } catch {
    edited = textOf(whole);
  }
  // An anchor elsewhere may have held it.
  const secrets = Object.values(words(registry_auth));
  const shows = secrets.some((secret) => secret.length > 3 && edited.includes(secret));
  return { config: bare, text: shows ? textOf(whole) : edited };
}

const words = (auth: RegistryAuth): Login =>
  Object.fromEntries(
    Object.entries(auth).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

function refuseUnknown(name: string, logins: SealedLogins): void {
  if (logins.open(name) !== undefined) return;
  const path = ".environment.registry_auth.sealed";
  const message = `${path} names a login that is not kept here: it was sealed by another server, or its file is gone`;
  throw new ContrailError("invalid_config", message, {
    issues: [{ code: "unknown_login", path, message, value: name }],
    hint: "Give username and password again, in place of sealed.",
  });
}
