/** What stands around every page: where one can go, who one is, whether the server is there. */
import {
  ActionIcon,
  AppShell,
  Burger,
  Button,
  Menu,
  Tooltip,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, useMatches, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useSyncExternalStore } from "react";
import { useConnection } from "../live/connection.ts";
import { experimentsFeed } from "../live/experiments.ts";
import { sessionQuery, signOut } from "../live/session.ts";
import { MoonIcon, SunIcon } from "../parts/icons.tsx";
import { Boundary, Failed, Loading } from "../parts/states.tsx";
import { Inert } from "../parts/text.tsx";
import icon from "./icon.svg";
import { KeyboardSearch } from "./keyboard-search.tsx";
import { navigation } from "./registry.ts";
import { SignIn } from "./sign-in.tsx";

export function Shell({ children }: { readonly children: ReactNode }) {
  const session = useQuery(sessionQuery);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const title = useMatches({ select: (matches) => matches.at(-1)?.staticData.title });
  useEffect(() => {
    document.title = title === undefined ? "Contrail" : `${title} · Contrail`;
  }, [title]);
  if (path === "/sign-in" || session.data === null) return <SignIn />;
  if (session.isPending) return <Loading what="Asking the server who you are" />;
  if (session.data === undefined)
    return <Failed error={session.error} again={() => void session.refetch()} />;
  return <Frame user={session.data.user}>{children}</Frame>;
}

function Frame({ user, children }: { readonly user: string; readonly children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu of a small screen
  useEffect(close, [path]);
  // Open as long as the page is: it tells whether the server is there.
  useSyncExternalStore(experimentsFeed.subscribe, () => null);
  return (
    <AppShell
      header={{ height: 46 }}
      navbar={{ width: 176, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={0}
    >
      <AppShell.Header className="bar">
        <Burger
          opened={opened}
          onClick={toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label="Navigation"
          aria-expanded={opened}
        />
        <Link to="/" className="brand">
          <img src={icon} alt="" width={22} height={22} />
          Contrail
        </Link>
        <div className="bar-middle">
          <KeyboardSearch />
        </div>
        <Connection />
        <Scheme />
        <Menu position="bottom-end" withinPortal>
          <Menu.Target>
            <Button variant="subtle" color="gray" size="compact-sm" className="user">
              <Inert>{user}</Inert>
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </AppShell.Header>
      <AppShell.Navbar className="nav" aria-label="Pages">
        {navigation.map(({ path: to, label }) => (
          <Link
            key={to}
            to={to}
            className="nav-link"
            activeOptions={{ includeSearch: false }}
            activeProps={{ "aria-current": "page" }}
          >
            {label}
          </Link>
        ))}
      </AppShell.Navbar>
      <AppShell.Main>
        <div className="page">
          <Boundary what="This page" key={path}>
            {children}
          </Boundary>
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

const CONNECTION = {
  connecting: ["◌", "connecting", "Asking the server for news"],
  live: ["●", "live", "What is shown is the present state"],
  away: [
    "▲",
    "server away",
    "Nobody answers. What is shown is the last that was known; it goes on by itself",
  ],
} as const;

function Connection() {
  const state = useConnection();
  const [sign, word, meaning] = CONNECTION[state];
  return (
    <Tooltip label={meaning}>
      <span className={`connection connection-${state}`} role="status">
        <span aria-hidden="true">{sign}</span> {word}
      </span>
    </Tooltip>
  );
}

function Scheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const shown = useComputedColorScheme("light");
  const choose = (scheme: "light" | "dark" | "auto") => () => setColorScheme(scheme);
  const mark = (scheme: string): string => (colorScheme === scheme ? "✓" : "");
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Light or dark">
          {shown === "dark" ? <MoonIcon /> : <SunIcon />}
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item rightSection={mark("auto")} onClick={choose("auto")}>
          As the system
        </Menu.Item>
        <Menu.Item rightSection={mark("light")} onClick={choose("light")}>
          Light
        </Menu.Item>
        <Menu.Item rightSection={mark("dark")} onClick={choose("dark")}>
          Dark
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
