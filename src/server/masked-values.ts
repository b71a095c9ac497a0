/**
 * What was masked when it was exported cannot be trained with. A program that got `(masked)` for a token would fail far
 * from here, or go on without what it was meant to read.
 */
import { MASKED } from "../base/secrets.ts";
import { renderPath } from "../protocol/config/issue.ts";
import { maskedPlaces } from "../protocol/config/masked.ts";
import { ContrailError } from "../protocol/errors.ts";
import { type Origin, settingPath } from "./fork/origin.ts";

const SHOWN = 3;

/** @throws ContrailError naming each value that has to be given anew */
export function refuseMasked(config: object, origin: Origin | undefined): void {
  const places = maskedPlaces(config);
  if (places.length === 0) return;
  const paths = places.map(renderPath);
  const more = paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : "";
  const message = `${MASKED} stands at ${paths.slice(0, SHOWN).join(", ")}${more}, where a secret stayed behind when it was exported; its value has to be given anew`;
  const settings = places
    .slice(0, SHOWN)
    .map((path) => `--set '${settingPath(path)}=VALUE'`)
    .join(" ");
  throw new ContrailError("invalid_config", message, {
    issues: paths.map((path) => ({ code: "masked", path, message, value: MASKED })),
    hint:
      origin === undefined || origin.experiment === null
        ? `Write its value in place of ${MASKED}.`
        : `Fork it with the value: contrail fork ${origin.experiment}${origin.trial === null ? "" : `.${origin.trial}`} ${settings}.`,
  });
}
