/** What is one's own (tokens, password, how the page looks), and what the server says of itself. */
import { SegmentedControl, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { moment } from "../../../src/cli/figures.ts";
import { client } from "../../live/client.ts";
import { NEWS_MS } from "../../live/news.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { Password } from "./password.tsx";
import { Tokens } from "./tokens.tsx";
import "./settings.css";

export default function SettingsPage() {
  return (
    <>
      <header className="page-head">
        <h1>Settings</h1>
      </header>
      <Tokens />
      <Password />
      <Look />
      <Server />
    </>
  );
}

type Scheme = "auto" | "light" | "dark";

function Look() {
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  return (
    <section aria-label="Look">
      <h2>Look</h2>
      <SegmentedControl
        size="xs"
        aria-label="Light or dark"
        className="narrow-control"
        value={colorScheme}
        onChange={(scheme) => setColorScheme(scheme as Scheme)}
        data={[
          { value: "auto", label: "As the system" },
          { value: "light", label: "Light" },
          { value: "dark", label: "Dark" },
        ]}
      />
    </section>
  );
}

function Server() {
  const server = useQuery({ queryKey: ["settings", "server"], queryFn: () => client.server() });
  const slots = useQuery({
    queryKey: ["settings", "slots"],
    queryFn: () => client.slots(),
    refetchInterval: NEWS_MS,
  });
  return (
    <section aria-label="Server">
      <h2>Server</h2>
      {server.isPending ? (
        <Loading what="Asking the server" />
      ) : server.data === undefined ? (
        <Failed error={server.error} again={() => void server.refetch()} />
      ) : (
        <Facts
          rows={[
            ["version", server.data.version],
            ["address", <Inert key="address">{location.origin}</Inert>],
            [
              "started",
              <span key="started">
                {moment(server.data.started_at)} (<Ago time={server.data.started_at} />)
              </span>,
            ],
            ["data folder", <Inert key="folder">{server.data.data_dir}</Inert>],
            [
              "PostgreSQL",
              server.data.postgres === "embedded"
                ? "its own, in the data folder"
                : "another one (DATABASE_URL)",
            ],
            [
              "slots",
              <Inert key="slots">
                {slots.data
                  ? `${slots.data.length}: ${slots.data.map(({ id, description }) => `${id} (${description})`).join(", ")}`
                  : String(server.data.slots)}
              </Inert>,
            ],
            [
              "signed in as",
              <Inert key="user">{`${server.data.user}, scope ${server.data.scope}`}</Inert>,
            ],
          ]}
        />
      )}
      <CommandLine command="contrail doctor" />
    </section>
  );
}
