/** Colours: meaning is never in them alone, and without a terminal (or with NO_COLOR) there are none. */

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

const plain = (text: string): string => text;
const wrap =
  (on: number, off: number) =>
  (text: string): string =>
    text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`;

export const NO_PAINT: Paint = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain,
};

export const COLOUR_PAINT: Paint = {
  bold: wrap(1, 22),
  dim: wrap(2, 22),
  red: wrap(31, 39),
  green: wrap(32, 39),
  yellow: wrap(33, 39),
  cyan: wrap(36, 39),
};

/** NO_COLOR (https://no-color.org) wins over everything; FORCE_COLOR stands in for a terminal. */
export function paintFor(
  stream: { readonly isTTY?: boolean | undefined },
  env: { readonly [name: string]: string | undefined },
): Paint {
  if (env.NO_COLOR) return NO_PAINT;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "0";
  if (forced) return COLOUR_PAINT;
  return stream.isTTY === true && env.TERM !== "dumb" ? COLOUR_PAINT : NO_PAINT;
}

/** The colour of a state: green for well ended, red for failed, cyan for at work. */
export function paintState(paint: Paint, state: string): (text: string) => string {
  switch (state) {
    case "completed":
    case "promoted":
    case "finished":
    case "ok":
      return paint.green;
    case "error":
    case "failed":
    case "fail":
      return paint.red;
    case "running":
    case "active":
    case "starting":
      return paint.cyan;
    case "canceled":
    case "stopping":
    case "pausing":
    case "warn":
      return paint.yellow;
    default:
      return paint.dim;
  }
}
