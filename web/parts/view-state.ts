/**
 * The state of a view lives in its address, so that it survives a reload, can be sent to somebody, and goes back
 * with the browser's button.
 */
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

/** What stands in the address: strings, since anybody can write there. */
export type RawView = Readonly<Record<string, string | undefined>>;

/**
 * @param read makes sense of the address, and of nonsense in it; defined once, outside of the component
 * @returns the view, and how to change parts of it (undefined takes one out of the address)
 */
export function useViewState<T>(
  read: (raw: RawView) => T,
): readonly [T, (patch: RawView, options?: { readonly push?: boolean }) => void] {
  const search = useSearch({ strict: false }) as Readonly<Record<string, unknown>>;
  const navigate = useNavigate();
  const view = useMemo(() => {
    const raw: Record<string, string | undefined> = {};
    for (const [name, value] of Object.entries(search))
      if (value !== undefined && value !== null) raw[name] = String(value);
    return read(raw);
  }, [search, read]);
  const change = useCallback(
    (patch: RawView, options: { readonly push?: boolean } = {}) => {
      void navigate({
        to: ".",
        search: ((before: Record<string, unknown>) => ({ ...before, ...patch })) as never,
        replace: options.push !== true,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [view, change];
}

/** One of a closed list, else the first. */
export const choice = <T extends string>(text: string | undefined, choices: readonly T[]): T =>
  choices.find((one) => one === text) ?? (choices[0] as T);
