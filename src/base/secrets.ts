/**
 * What must not be stored or shown, by what it is called and by what it looks like. One rule for everything that takes
 * up variables and addresses from the outside.
 */

/** Names that say themselves what must not be stored, whatever they begin with; a tokenizer is none. */
const SECRET_NAME =
  /TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|COOKIE|(^|_)(KEY|PASS|PWD|AUTH|DSN|PAT)($|_)|APIKEY|PRIVATE_KEY/i;
/** `PWD` is a shell's folder, and PYTHONHASHSEED no secret. */
const HARMLESS_NAMES: ReadonlySet<string> = new Set(["PWD", "OLDPWD"]);
/**
 * Tokens that are told by their first letters, wherever they stand: ours and those of widely used services. Nothing of
 * this and of what follows may look at a letter more often than a few times, for texts come from anybody: whatever is
 * repeated without a limit stands last, or cannot begin again within itself.
 */
const SECRET_VALUE =
  /\b(?:c[ura]_[A-Za-z0-9._-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|A(?:KIA|SIA)[A-Z0-9]{16})/g;
/** Three parts with dots between. That there are three is looked at first, once for each part and not for each `eyJ` in it. */
const WEB_TOKEN = /(?<![\w-])(?=[\w-]+\.[\w-]{10,}\.)([\w-]*?)\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g;
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*(?:-(?!----)[^-]*)*-----END [A-Z ]*PRIVATE KEY-----)?/g;
/** `scheme://user:password@host`, also in the middle of a longer text. */
const LOGIN_IN_ADDRESS = /:\/\/[^\s/"']+@/g;
/** What a shell or `env` sets: in capitals, for `tokenizer=bert` is no secret; the value to its closing quote or a space. */
const ASSIGNMENT = /(?<!\w)([A-Z_][A-Z0-9_]*)=("[^"]*"|'[^']*'|["']?[^\s"']+)/g;

export const MASKED = "(masked)";

export const isSecretName = (name: string): boolean =>
  SECRET_NAME.test(name) && !HARMLESS_NAMES.has(name);

/** A variable's value as it may be stored: the name stays, a secret does not. */
export function maskedValue(name: string, value: string): string {
  if (isSecretName(name)) return MASKED;
  return maskedText(value);
}

/**
 * Text with what looks like a secret taken out of it. Takes time in proportion to the text, so that nobody has to cut one
 * before: a cut could leave half of a secret at the edge, which looks like none.
 */
export const maskedText = (text: string): string =>
  text
    .replace(LOGIN_IN_ADDRESS, `://${MASKED}@`)
    .replace(PRIVATE_KEY, MASKED)
    .replace(WEB_TOKEN, `$1${MASKED}`)
    .replace(SECRET_VALUE, MASKED)
    .replace(ASSIGNMENT, (whole, name: string) =>
      isSecretName(name) ? `${name}=${MASKED}` : whole,
    );
