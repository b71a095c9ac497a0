/**
 * How a feature adds itself to the page, without touching any file but its own folder:
 *   features/<noun>/pages.ts    default export: Page[]             an address and what stands there
 *   features/<noun>/panels.ts   default export: ExperimentPanel[]  a tab of every experiment
 *   features/<noun>/search.ts   default export: SearchSource       what the keyboard search finds
 * The build collects them; the server learns from it which addresses are pages. These files say what there is and
 * load the rest when it is looked at, so they import nothing but types.
 */
import type { ComponentType } from "react";
import type { ExperimentLive } from "../live/experiment.ts";

export interface Page {
  /** `$name` for a part that varies; read it with `useParams`. */
  readonly path: string;
  readonly title: string;
  /** In the navigation, by order; absent = reached from elsewhere. */
  readonly nav?: { readonly label: string; readonly order: number };
  readonly load: () => Promise<{ readonly default: ComponentType }>;
}

export interface PanelProps {
  /** The experiment as it is now; the component is drawn anew when it changes. */
  readonly live: ExperimentLive;
}

export interface ExperimentPanel {
  /** In the address, as `?tab=`. */
  readonly id: string;
  readonly label: string;
  readonly order: number;
  /** Also on the overview, below the figures. */
  readonly onOverview?: boolean;
  readonly load: () => Promise<{ readonly default: ComponentType<PanelProps> }>;
}

export interface SearchHit {
  readonly label: string;
  /** One line beside it. */
  readonly note: string;
  readonly to: string;
}

export interface SearchSource {
  readonly name: string;
  /** Quick: it is asked at every key. */
  readonly find: (query: string, signal: AbortSignal) => Promise<readonly SearchHit[]>;
}
