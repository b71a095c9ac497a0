const WHAT_TO_DO = {
  fix: "Change the request; as it is it will fail again.",
  retry: "Send the same request again, now.",
  retry_later:
    "Wait (`Retry-After` says how long, where it is present), then send the same request again.",
  give_up: "Nothing that the caller does will help.",
};

const HEAD = `# Errors

Every error that the server answers with is a problem details object (RFC 9457) with one of these codes. \`type\` is
\`urn:contrail:error:<code>\`; \`detail\` names the thing, the value and the limit; \`hint\` is the next step.
The hint below is the usual one; an answer may carry a better one.
`;

/** docs/errors.md, from the catalogue that the server raises them by. */
export async function errorsDocument(): Promise<string> {
  const { ERRORS } = await import("../../src/protocol/errors.ts");
  const sections = Object.entries(WHAT_TO_DO).map(([kind, advice]) => {
    const rows = Object.entries(ERRORS)
      .filter(([, entry]) => entry.class === kind)
      .map(([code, { status, title, hint }]) => `| \`${code}\` | ${status} | ${title} | ${hint} |`);
    if (rows.length === 0) return "";
    const table = ["| code | status | meaning | hint |", "| --- | --- | --- | --- |", ...rows];
    return `\n## ${kind}\n\n${advice}\n\n${table.join("\n")}\n`;
  });
  return HEAD + sections.join("");
}
