/** A password is what signs in where there is no link; without one, only links and tokens do. */
import { Alert, Button, PasswordInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { inert } from "../../../src/cli/inert.ts";
import { RemoteError } from "../../../src/sdk/remote-error.ts";
import { client } from "../../live/client.ts";

export function Password() {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<{ readonly text: string; readonly failed: boolean }>();
  const differs = again !== "" && again !== password;
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await client.setPassword(password);
      setTold({ text: "The password is set. It signs in from now on.", failed: false });
      setPassword("");
      setAgain("");
    } catch (error) {
      const hint = error instanceof RemoteError ? ` ${error.hint}` : "";
      setTold({
        text: `${error instanceof Error ? error.message : String(error)}${hint}`,
        failed: true,
      });
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label="Password">
      <h2>Password</h2>
      <form className="inline-form" onSubmit={(event) => void submit(event)}>
        <PasswordInput
          size="xs"
          label="New password"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
        />
        <PasswordInput
          size="xs"
          label="Once more"
          autoComplete="new-password"
          value={again}
          error={differs ? "The two differ." : undefined}
          onChange={(event) => setAgain(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": "Show it" }}
        />
        <Button
          size="xs"
          type="submit"
          variant="default"
          loading={busy}
          disabled={password === "" || password !== again}
        >
          Set the password
        </Button>
      </form>
      <div role="status">
        {told ? (
          <Alert color={told.failed ? "red" : "green"} variant="light" p="xs">
            {inert(told.text)}
          </Alert>
        ) : null}
      </div>
    </section>
  );
}
