/** The command that does or gives the same: nothing here works only in the page. */
import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { CopyIcon, DoneIcon } from "./icons.tsx";

/** A word of a command as a shell takes it. */
export const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

export function CommandLine({ command }: { readonly command: string }) {
  return (
    <span className="command">
      <code>{command}</code>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : "Copy"}>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label={`Copy: ${command}`}
              onClick={copy}
            >
              {copied ? <DoneIcon /> : <CopyIcon />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </span>
  );
}
