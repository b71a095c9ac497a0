/**
 * What must not be stored or shown, by what it is called and by what it looks like. One rule for everything that takes
 * up variables and addresses from the outside.
 */

/** Names that say themselves what must not be stored, whatever they begin with. */
const SECRET_NAME =
  /TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE|(^|_)(KEY|PASS|PWD|AUTH|DSN|PAT)($|_)|APIKEY|PRIVATE_KEY/i;
/** `PWD` is a shell's folder, and PYTHONHASHSEED no secret. */
const HARMLESS_NAMES: ReadonlySet<string> = new Set(["PWD", "OLDPWD"]);
/** Tokens that are told by their first letters, wherever they stand: ours and those of widely used services. */
const SECRET_VALUE =
  /\b(?:c[ura]_[A-Za-z0-9._-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|A(?:KIA|SIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)|-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** `scheme://user:password@host`, also in the middle of a longer text. */
const LOGIN_IN_ADDRESS = /([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\s/@"']+@/g;

export const MASKED = "(masked)";

export const isSecretName = (name: string): boolean =>
  SECRET_NAME.test(name) && !HARMLESS_NAMES.has(name);

/** A variable's value as it may be stored: the name stays, a secret does not. */
export function maskedValue(name: string, value: string): string {
  if (isSecretName(name)) return MASKED;
  return maskedText(value);
}

/** Text with what looks like a secret taken out of it. */
export function maskedText(text: string): string {
  const bare = text.replace(LOGIN_IN_ADDRESS, `$1${MASKED}@`);
  return SECRET_VALUE.test(bare) ? bare.replace(new RegExp(SECRET_VALUE, "g"), MASKED) : bare;
}
