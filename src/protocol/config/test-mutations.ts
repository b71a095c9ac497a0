/** For tests: good configurations with something changed in them, anywhere (row I1). */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { parse } from "yaml";
import type { Json } from "../../base/json.ts";

const folder = new URL("./fixtures/", import.meta.url);
export const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), "utf8"));
const values = texts.map((text) => parse(text, { merge: true }) as Json);

type Tree = Json | Tree[] | { [key: string]: Tree };
type Map = { [key: string]: Tree };

export const words = fc.constantFrom(
  "type",
  "vals",
  "minval",
  "maxval",
  "when",
  "val",
  "params",
  "count",
  "base",
  "name",
  "searcher",
  "__proto__",
  "constructor",
  "toString",
  "metric",
  "log",
  "int",
  "nested",
  "categorical",
  "asha",
  "grid",
  "no",
  "null",
  "<<",
  "",
  "\u202e",
  "\0",
  "\ud800",
  "a.b",
  "é\u0301",
  "💥",
);
const scalar: fc.Arbitrary<Tree> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double(),
  fc.constantFrom(0, -1, 1, 0.5, 1e308, -1e308, 2 ** 53, 4294967296, 1e-9, -0),
  fc.string({ unit: "binary", maxLength: 12 }),
  words,
);
export const anything = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) as fc.Arbitrary<Tree> },
  { weight: 1, arbitrary: fc.dictionary(words, scalar, { maxKeys: 3 }) as fc.Arbitrary<Tree> },
);

interface Mutation {
  readonly kind: "delete" | "replace" | "rename" | "copy" | "insert" | "wrap";
  /** Picks the node: a walk of choices from the root. */
  readonly walk: readonly number[];
  readonly word: string;
  readonly value: Tree;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("delete", "replace", "rename", "copy", "insert", "wrap"),
  walk: fc.array(fc.nat(30), { minLength: 1, maxLength: 5 }),
  word: words,
  value: anything,
});

const isMap = (tree: Tree): tree is Map =>
  typeof tree === "object" && tree !== null && !Array.isArray(tree);

function mutate(root: Tree, { kind, walk, word, value }: Mutation): void {
  let at: Tree = root;
  for (const [index, step] of walk.entries()) {
    if (typeof at !== "object" || at === null) return;
    const keys: string[] = Object.keys(at);
    const key = keys[step % Math.max(1, keys.length)];
    if (key === undefined) return;
    const node = at as Map;
    const inner: Tree = node[key]!;
    const last = index === walk.length - 1 || typeof inner !== "object" || inner === null;
    if (!last) {
      at = inner;
      continue;
    }
    if (kind === "delete") delete node[key];
    else if (kind === "replace") node[key] = value;
    else if (kind === "wrap") node[key] = [inner];
    else if (kind === "insert" && isMap(node)) own(node, word, value);
    else if (kind === "copy" && isMap(node)) own(node, word, structuredClone(inner));
    else if (kind === "rename" && isMap(node)) {
      delete node[key];
      own(node, word, inner);
    }
    return;
  }
}

/** Sets a key as a parser would, `__proto__` included. */
const own = (map: Map, key: string, value: Tree): void => {
  Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
};

export const mutated = fc
  .tuple(fc.constantFrom(...values), fc.array(mutation, { minLength: 1, maxLength: 4 }))
  .map(([value, mutations]) => {
    const tree = structuredClone(value) as Tree;
    for (const each of mutations) mutate(tree, each);
    return tree;
  });
