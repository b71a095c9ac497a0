/** What the features have registered: see page.ts. */
import type { ExperimentPanel, Page, SearchSource } from "./page.ts";

type Found<T> = Readonly<Record<string, { readonly default: T }>>;

const values = <T>(found: Found<T>): T[] => Object.values(found).map((module) => module.default);

export const pages: readonly Page[] = values(
  import.meta.glob("../features/*/pages.ts", { eager: true }) as Found<readonly Page[]>,
).flat();

export const panels: readonly ExperimentPanel[] = values(
  import.meta.glob("../features/*/panels.ts", { eager: true }) as Found<readonly ExperimentPanel[]>,
)
  .flat()
  .toSorted((a, b) => a.order - b.order);

export const searchSources: readonly SearchSource[] = values(
  import.meta.glob("../features/*/search.ts", { eager: true }) as Found<SearchSource>,
);

export const navigation = pages
  .flatMap(({ path, nav }) => (nav ? [{ path, ...nav }] : []))
  .toSorted((a, b) => a.order - b.order);
