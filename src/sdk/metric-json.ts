/**
 * Metrics as JSON text, without losing what JSON.stringify loses: NaN and infinities become words, -0
 * keeps its sign. What is not a number is sent as what it is, so that the runner can refuse it by name
 * and the person sees on the trial's page what was wrong; raising in the training loop for a label among
 * the metrics would cost hours of training.
 */
const TEXT_MAX_CHARS = 200;

/** @returns one JSON object, without newlines */
export function metricsJson(metrics: { readonly [name: string]: unknown }): string {
  let text = "{";
  for (const name in metrics) {
    if (text.length > 1) text += ",";
    text += `${JSON.stringify(name)}:${metricJson(metrics[name])}`;
  }
  return `${text}}`;
}

function metricJson(value: unknown): string {
  if (typeof value === "number") {
    if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
    return `"${value}"`;
  }
  // A whole number that a double cannot hold would arrive as another number: sent as text, refused by name.
  if (typeof value === "bigint")
    return BigInt(Number(value)) === value ? String(value) : `"${value}"`;
  try {
    const text = JSON.stringify(value);
    if (text !== undefined && text.length <= 4 * TEXT_MAX_CHARS) return text;
    return JSON.stringify((text ?? String(value)).slice(0, TEXT_MAX_CHARS));
  } catch {
    return JSON.stringify(String(value).slice(0, TEXT_MAX_CHARS));
  }
}
