/** One's tokens: made here, shown once, taken back. */
import { Alert, Button, Code, NumberInput, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { Token } from "../../../src/sdk/client.ts";
import { client } from "../../live/client.ts";
import { NEWS_MS } from "../../live/news.ts";
import { queries } from "../../live/queries.ts";
import { Actions } from "../../parts/actions.tsx";
import { CommandLine, quoted } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";

const TOKENS = ["settings", "tokens"];
const DAY_S = 86_400;

const columns: readonly Column<Token>[] = [
  {
    ...{ id: "name", head: "name", width: "minmax(80px, 2fr)", pinned: true },
    cell: ({ name }) => <Inert>{name}</Inert>,
  },
  {
    id: "id",
    head: "id",
    width: "156px",
    wideOnly: true,
    cell: ({ id }) => <span className="mono">{id}</span>,
  },
  { id: "scope", head: "scope", width: "56px", cell: ({ scope }) => scope },
  {
    ...{ id: "created", head: "created", width: "96px", wideOnly: true },
    cell: ({ created_at }) => <Ago time={created_at} />,
  },
  {
    id: "used",
    head: "last used",
    width: "96px",
    wideOnly: true,
    cell: ({ last_used_at }) => <Ago time={last_used_at} />,
  },
  {
    ...{ id: "ends", head: "ends", width: "96px" },
    cell: ({ expires_at }) => (expires_at === null ? "never" : expires_at.slice(0, 10)),
  },
  {
    ...{ id: "revoke", head: "", width: "96px", align: "right" },
    cell: ({ id, name }) => (
      <Actions
        size="compact-xs"
        actions={[
          {
            label: "Revoke",
            meaning: `Programs that use the token ${inert(name)} are refused from then on.`,
            command: `contrail token revoke ${id}`,
            danger: true,
            run: async () => {
              await client.revokeToken(id);
              await queries.invalidateQueries({ queryKey: TOKENS });
            },
          },
        ]}
      />
    ),
  },
] as readonly Column<Token>[];

export function Tokens() {
  const tokens = useQuery({
    queryKey: TOKENS,
    queryFn: () => client.tokens(),
    refetchInterval: NEWS_MS,
  });
  return (
    <section aria-label="Tokens">
      <h2>Tokens</h2>
      <MakeToken />
      {tokens.isPending ? (
        <Loading what="Asking for your tokens" />
      ) : tokens.data === undefined ? (
        <Failed error={tokens.error} again={() => void tokens.refetch()} />
      ) : tokens.data.items.length === 0 ? (
        <Empty title="You have no tokens">Programs and other machines sign in with one.</Empty>
      ) : (
        <DataTable
          label="Tokens"
          rows={tokens.data.items}
          columns={columns}
          rowKey={({ id }) => id}
        />
      )}
      <CommandLine command="contrail token list" />
    </section>
  );
}

function MakeToken() {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<"user" | "read">("user");
  const [days, setDays] = useState<number | string>(90);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState<{ readonly name: string; readonly token: string }>();
  const [failure, setFailure] = useState<string>();
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    setMade(undefined);
    try {
      const lifetime = Number(days) * DAY_S;
      const { token } = await client.createToken({
        name: name.trim(),
        scope,
        lifetime_s: lifetime,
      });
      setMade({ name: name.trim(), token });
      setName("");
      await queries.invalidateQueries({ queryKey: TOKENS });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  const isValid = name.trim() !== "" && Number.isInteger(Number(days)) && Number(days) >= 1;
  return (
    <>
      <form className="inline-form" onSubmit={(event) => void submit(event)}>
        <TextInput
          size="xs"
          label="Name"
          placeholder="What it is for"
          maxLength={128}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Select
          size="xs"
          label="Scope"
          allowDeselect={false}
          data={[
            { value: "user", label: "all that you may do" },
            { value: "read", label: "read only" },
          ]}
          value={scope}
          onChange={(value) => setScope(value === "read" ? "read" : "user")}
        />
        <NumberInput
          size="xs"
          label="Days"
          w={72}
          min={1}
          max={3650}
          allowDecimal={false}
          hideControls
          value={days}
          onChange={setDays}
        />
        <Button size="xs" type="submit" variant="default" loading={busy} disabled={!isValid}>
          Make a token
        </Button>
      </form>
      {name.trim() === "" ? null : (
        <CommandLine
          command={`contrail token create ${quoted(name.trim())} --scope ${scope} --days ${days}`}
        />
      )}
      <div role="status">
        {failure === undefined ? null : (
          <Alert color="red" variant="light" p="xs">
            {inert(failure)}
          </Alert>
        )}
        {made ? (
          <Alert
            color="green"
            variant="light"
            p="xs"
            title={`The token ${inert(made.name)}: it is shown this once`}
            withCloseButton
            closeButtonLabel="Forget it"
            onClose={() => setMade(undefined)}
          >
            <p>
              <Code className="token">{made.token}</Code>
            </p>
            <CommandLine command={`export CONTRAIL_TOKEN=${made.token}`} />
          </Alert>
        ) : null}
      </div>
    </>
  );
}
