/** Splits a text of SQL at its statements. What stands in quotes, dollar quotes and comments is passed over. */
const PARTS = /--[^\n]*|\/\*.*?\*\/|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|"[^"]*"|;/gs;

/** @returns those that are not empty, without their semicolons */
export function statementsOf(sql: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (const match of sql.matchAll(PARTS)) {
    if (match[0] !== ";") continue;
    found.push(sql.slice(from, match.index));
    from = match.index + 1;
  }
  found.push(sql.slice(from));
  return found.filter((text) => text.replaceAll(/--[^\n]*|\/\*.*?\*\//gs, "").trim() !== "");
}
