/**
 * The two lists that hold a bundle together. `manifest.json` says what it is, what is not in it, and the SHA-256 of every
 * other file, its own included (with zeros in the place of that hash). `SHA256SUMS` says the same hashes once more in
 * the form that `sha256sum -c` reads, and follows from the manifest to the last byte. So whatever single byte is
 * changed anywhere, it can be told in which file.
 */
import { createHash } from "node:crypto";
import {
  BUNDLE_FORMAT,
  type BundleManifest,
  bundleManifest,
  RECORD_FILES,
} from "../protocol/bundle.ts";

export const MANIFEST_FILE = "manifest.json";
export const SUMS_FILE = "SHA256SUMS";

export type BundleFile = BundleManifest["files"][number];

const NO_HASH = "0".repeat(64);

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export function manifestText(fields: Omit<BundleManifest, "format" | "self" | "content">): string {
  const text = `${JSON.stringify(
    { format: BUNDLE_FORMAT, self: NO_HASH, content: contentOf(fields.files), ...fields },
    null,
    1,
  )}\n`;
  return text.replace(NO_HASH, sha256(text));
}

export type ManifestReading =
  | { readonly ok: true; readonly manifest: BundleManifest }
  | { readonly ok: false; readonly message: string };

/** Never throws, whatever the text is. */
export function readManifest(text: string): ManifestReading {
  const fault = (message: string): ManifestReading => ({ ok: false, message });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault("it is not JSON");
  }
  const { format, self } = (value ?? {}) as { format?: unknown; self?: unknown };
  if (format !== BUNDLE_FORMAT)
    return fault(`its format is ${JSON.stringify(format)?.slice(0, 100)}, not "${BUNDLE_FORMAT}"`);
  const reading = bundleManifest.safeParse(value);
  if (!reading.success) {
    const [first] = reading.error.issues;
    return fault(`${first?.path.join(".")}: ${first?.message}`);
  }
  // Only the first place: a hash of zeros elsewhere is what it is.
  if (typeof self !== "string" || sha256(text.replace(self, NO_HASH)) !== self)
    return fault("its own hash does not fit what it says");
  const { content, files } = reading.data;
  if (contentOf(files) !== content)
    return fault("`content` does not fit the hashes of the files that it is made of");
  return { ok: true, manifest: reading.data };
}

/** What the record is, whatever else is in the bundle: equal here = the same trials, events and numbers. */
export const contentOf = (files: readonly BundleFile[]): string =>
  sha256(
    files
      .filter(({ path }) => RECORD_FILES.includes(path))
      .map(sumLine)
      .join(""),
  );

/** @param manifest the text of manifest.json */
export const sumsText = (files: readonly BundleFile[], manifest: string): string =>
  [...files, { path: MANIFEST_FILE, sha256: sha256(manifest) }].map(sumLine).join("");

/** As `sha256sum` writes it: a name with a line end in it is escaped, and the line marked. */
function sumLine({ path, sha256: hash }: Pick<BundleFile, "path" | "sha256">): string {
  if (!/[\n\r]/.test(path)) return `${hash}  ${path}\n`;
  return `\\${hash}  ${path.replaceAll("\n", "\\n").replaceAll("\r", "\\r")}\n`;
}
