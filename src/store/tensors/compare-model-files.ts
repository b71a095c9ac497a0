/** Two model files by what is in them, name by name, in the order of the first. */

import { toWire } from "../../base/json.ts";
import type { ItemDifference } from "../../protocol/api/comparison.ts";
import { compareElements } from "./compare-tensors.ts";
import type { ModelFile, ModelItem } from "./model-items.ts";

/** A file where everything differs says enough with so many. */
export const DIFFERENCES_MAX = 100;

export interface ItemsComparison {
  /** Names that both have. */
  readonly compared: number;
  readonly differing: number;
  /** The first of them. */
  readonly differences: readonly ItemDifference[];
  /** Over all of them; null where none differs in its elements, or none of those has a distance. */
  readonly maxAbs: number | null;
}

/** @throws Unreadable, where a tensor of one of them turns out to be too odd to compare */
export async function compareModelFiles(a: ModelFile, b: ModelFile): Promise<ItemsComparison> {
  const [inA, inB] = [byName(a.items), byName(b.items)];
  const differences: ItemDifference[] = [];
  let [compared, differing] = [0, 0];
  let maxAbs: number | null = null;
  const add = (difference: ItemDifference): void => {
    differing += 1;
    if (differences.length < DIFFERENCES_MAX) differences.push(difference);
  };
  for (const [name, left] of inA) {
    const right = inB.get(name);
    if (right === undefined) {
      add(plain(name, "only_in_a", { a: shown(left), b: null }));
      continue;
    }
    compared += 1;
    const found = await compareItems(name, left, right);
    if (found === undefined) continue;
    add(found.difference);
    if (found.maxAbs !== null) maxAbs = larger(maxAbs, found.maxAbs);
  }
  for (const [name, right] of inB)
    if (!inA.has(name)) add(plain(name, "only_in_b", { a: null, b: shown(right) }));
  return { compared, differing, differences, maxAbs };
}

/** A name that stands twice gets a number, so that none is passed over. */
function byName(items: readonly ModelItem[]): Map<string, ModelItem> {
  const found = new Map<string, ModelItem>();
  for (const item of items) {
    let name = item.name;
    for (let again = 2; found.has(name); again++) name = `${item.name} (${again})`;
    found.set(name, item);
  }
  return found;
}

async function compareItems(
  name: string,
  a: ModelItem,
  b: ModelItem,
): Promise<{ difference: ItemDifference; maxAbs: number | null } | undefined> {
  const texts = { a: shown(a), b: shown(b) };
  const alone = (kind: ItemDifference["kind"]) => ({
    difference: plain(name, kind, texts),
    maxAbs: null,
  });
  if (a.kind === "value" || b.kind === "value")
    return a.kind === b.kind && texts.a === texts.b ? undefined : alone("value");
  if (a.type.name !== b.type.name) return alone("dtype");
  if (a.shape.join() !== b.shape.join()) return alone("shape");
  const found = await compareElements(a, b);
  if (found === undefined) return undefined;
  const { differing, maxAbs, index } = found;
  const difference: ItemDifference = {
    ...{ name, kind: "values", ...texts, differing, elements: a.elements },
    ...{ max_abs: maxAbs === null ? null : toWire(maxAbs), index: [...index] },
  };
  return { difference, maxAbs };
}

const plain = (
  name: string,
  kind: ItemDifference["kind"],
  { a, b }: { readonly a: string | null; readonly b: string | null },
): ItemDifference => ({
  ...{ name, kind, a, b },
  ...{ differing: null, elements: null, max_abs: null, index: null },
});

const shown = (item: ModelItem): string =>
  item.kind === "value" ? item.text : `${item.type.name} [${item.shape.join(", ")}]`;

/** Not to be compared is worse than any distance. */
export const larger = (a: number | null, b: number): number =>
  a === null || Number.isNaN(b) || b > a ? b : a;
