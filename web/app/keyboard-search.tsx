/** Search by keyboard, from anywhere: `/` or Ctrl-K. Features say what can be found (page.ts, SearchSource). */
import { Modal, TextInput, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useState } from "react";
import { Inert } from "../parts/text.tsx";
import type { SearchHit } from "./page.ts";
import { navigation, searchSources } from "./registry.ts";

const HITS_MAX = 12;

export function KeyboardSearch() {
  const [opened, { open, close }] = useDisclosure();
  useEffect(() => {
    const listen = (event: globalThis.KeyboardEvent): void => {
      const byControl = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
      if (!byControl && (event.key !== "/" || isTyping(event.target))) return;
      event.preventDefault();
      open();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [open]);
  return (
    <>
      <UnstyledButton className="search-button" onClick={open} aria-label="Search">
        <span>Search</span>
        <kbd>/</kbd>
      </UnstyledButton>
      <Modal
        opened={opened}
        onClose={close}
        title="Search"
        closeButtonProps={{ "aria-label": "Close" }}
        padding="xs"
        size="lg"
        yOffset="10vh"
      >
        <SearchBox onDone={close} />
      </Modal>
    </>
  );
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

function SearchBox({ onDone }: { readonly onDone: () => void }) {
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const [entered, setEntered] = useState(false);
  const navigate = useNavigate();
  const {
    data: hits = [],
    isPending,
    isPlaceholderData,
  } = useQuery({
    queryKey: ["search", query],
    queryFn: ({ signal }) => find(query, signal),
    placeholderData: (before) => before,
  });
  const go = (hit: SearchHit | undefined): void => {
    if (!hit) return;
    onDone();
    void navigate({ to: hit.to });
  };
  // What is shown until then was found for other words.
  const isFound = !isPending && !isPlaceholderData;
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each Enter
  useEffect(() => {
    if (!entered || !isFound) return;
    setEntered(false);
    go(hits[chosen]);
  }, [entered, isFound]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setChosen((at) => Math.min(Math.max(at + step, 0), Math.max(0, hits.length - 1)));
    } else if (event.key === "Enter") setEntered(true);
  };
  return (
    <>
      <TextInput
        value={query}
        placeholder="An experiment’s number or name, a page …"
        aria-label="Search"
        role="combobox"
        aria-expanded="true"
        aria-controls="search-hits"
        aria-activedescendant={hits[chosen] ? `hit-${chosen}` : undefined}
        data-autofocus
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setQuery(event.currentTarget.value);
          setChosen(0);
          setEntered(false);
        }}
      />
      <div id="search-hits" role="listbox" aria-label="Found" className="hits">
        {hits.map((hit, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are heard in the field above
          <div
            key={`${hit.to} ${hit.label}`}
            id={`hit-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === chosen}
            className="hit"
            onClick={() => go(hit)}
          >
            <Inert>{hit.label}</Inert>
            <span className="dim">
              <Inert>{hit.note}</Inert>
            </span>
          </div>
        ))}
      </div>
    </>
  );
}

async function find(query: string, signal: AbortSignal): Promise<readonly SearchHit[]> {
  const word = query.trim().toLowerCase();
  const ofPages = navigation
    .filter(({ label }) => label.toLowerCase().includes(word))
    .map(({ label, path }) => ({ label, note: "page", to: path }));
  const found = await Promise.allSettled(searchSources.map((source) => source.find(word, signal)));
  return [
    ...found.flatMap((result) => (result.status === "fulfilled" ? result.value : [])),
    ...ofPages,
  ].slice(0, HITS_MAX);
}
