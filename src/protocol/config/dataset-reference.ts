/** A dataset by name and version, as it is written in `data`: `digits@3`, `digits@latest`. */
export interface DatasetReference {
  readonly name: string;
  /** From 1. */
  readonly version: number | "latest";
}

const REFERENCE = /^([a-z0-9][a-z0-9._-]{0,127})@(latest|[1-9][0-9]{0,8})$/;

/** @returns undefined for any other value, which is passed on to the training code as it is */
export function datasetReference(value: unknown): DatasetReference | undefined {
  const [, name, version] = (typeof value === "string" && REFERENCE.exec(value)) || [];
  if (name === undefined) return undefined;
  return { name, version: version === "latest" ? "latest" : Number(version) };
}

/** Near enough to a reference to be worth a word: one @, and no dot behind it as mail addresses have. */
export const looksLikeReference = (text: string): boolean =>
  /^[\w.-]{1,128}@(v?\d+|latest|)$/i.test(text.trim());
