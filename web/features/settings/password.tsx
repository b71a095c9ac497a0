/** A password is what signs in where there is no link; without one, only links and tokens do. */
import { Button, PasswordInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { client } from "../../live/client.ts";
import { failureText, type Outcome, Told } from "../../parts/told.tsx";

export function Password() {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<Outcome>();
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
      setTold({ text: failureText(error), failed: true });
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
      <Told outcome={told} />
    </section>
  );
}
