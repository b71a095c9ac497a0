/**
 * What data is called that came with an imported experiment: `digits.imported`. A name of its own, so that none of it is
 * ever a version of `digits`, whose latest is what people here made it.
 */
const ENDING = ".imported";
/** Of what has no name. */
const NAMELESS = "imported";
const NAME_CHARS_MAX = 128;

/** @param name undefined where its origin had none that could be one here; what was imported there, too, keeps its name */
export function importedName(name = NAMELESS): string {
  if (name === NAMELESS || name.endsWith(ENDING)) return name;
  return `${name.slice(0, NAME_CHARS_MAX - ENDING.length)}${ENDING}`;
}

/** `digits.imported` → `digits`; any other as it is. */
export const nameAtOrigin = (name: string): string =>
  name.endsWith(ENDING) ? name.slice(0, -ENDING.length) : name;
