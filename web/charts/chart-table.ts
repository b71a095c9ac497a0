/** What a chart shows, as a table: for files and for tests. CSV by RFC 4180; a leading = + - @ in text is not left for a spreadsheet to run. */
export interface ChartTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

export function toCsv({ columns, rows }: ChartTable): string {
  const line = (cells: readonly (string | number | null)[]): string => cells.map(cell).join(",");
  return `${[line(columns), ...rows.map(line)].join("\r\n")}\r\n`;
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toJson({ columns, rows }: ChartTable): string {
  const objects = rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  return `${JSON.stringify(objects, null, 1)}\n`;
}
