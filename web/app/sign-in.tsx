/**
 * Signing in. A link carries its token behind the #, where no server and no log sees it; it is taken out of the
 * address before anything else happens. Without a link: name and password, where one was set.
 */
import { Button, Paper, PasswordInput, Stack, TextInput, Title } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { client } from "../live/client.ts";
import { CommandLine } from "../parts/command-line.tsx";
import { Failed, Loading } from "../parts/states.tsx";
import icon from "./icon.svg";

/** @returns the token of the link that opened the page, and takes it out of the address and the history */
function takeToken(): string | undefined {
  if (location.pathname !== "/sign-in" || location.hash.length < 2) return undefined;
  const token = location.hash.slice(1);
  history.replaceState(history.state, "", "/sign-in");
  return token;
}
const linkToken = takeToken();
let linkUsed: Promise<unknown> | undefined;

/** Where one wanted to go; a fresh start of the page, so that nothing of another session is left. */
function enter(): void {
  if (location.pathname === "/sign-in") location.replace("/");
  else location.reload();
}

export function SignIn() {
  const [busy, setBusy] = useState(linkToken !== undefined);
  const [failure, setFailure] = useState<unknown>();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    if (linkToken === undefined) return;
    // Once, however often this is drawn: the token is good for one sign-in.
    linkUsed ??= client.openSession({ one_time_token: linkToken });
    linkUsed.then(enter, (error: unknown) => {
      setFailure(error);
      setBusy(false);
    });
  }, []);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    client.openSession({ user, password }).then(enter, (error: unknown) => {
      setFailure(error);
      setBusy(false);
    });
  };
  return (
    <main className="sign-in">
      <Paper withBorder p="lg" radius="md" component="form" onSubmit={submit}>
        <Stack gap="sm">
          <Title order={1} className="brand">
            <img src={icon} alt="" width={26} height={26} />
            Contrail
          </Title>
          {busy && linkToken !== undefined ? <Loading what="Signing in" /> : null}
          {failure === undefined ? null : <Failed error={failure} />}
          <p>On the machine where the server runs, this command prints a link that signs you in:</p>
          <CommandLine command="contrail web" />
          <p className="dim">Or with the password that you have set:</p>
          <TextInput
            label="User"
            autoComplete="username"
            value={user}
            onChange={(event) => setUser(event.currentTarget.value)}
            required
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            required
          />
          <Button type="submit" loading={busy}>
            Sign in
          </Button>
        </Stack>
      </Paper>
    </main>
  );
}
