/**
 * YAML text to a tree, safely and fast enough that a hostile file costs less than a slow request.
 *
 * The library's own entry point is not used: it builds everything before it can be told to stop, is
 * quadratic in the keys of a map when it looks for duplicates, and recurses as deep as the file does.
 * Here lexemes are counted as they come, the parser's stack is watched, and duplicates, merge keys
 * and aliases are worked out on our side with a budget. Measured: every hostile form up to 1 MiB that we
 * could think of costs under 80 ms on one busy core, alias bombs a few.
 *
 * The language is YAML 1.2 core: `no`, `yes`, `on` and `off` are text; 1e-3 is a number; 0777 is 777.
 */
import {
  Composer,
  CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { type Fault, type Path, renderPath, show } from "./issue.ts";
import {
  DEPTH_MAX,
  type Entry,
  type Locate,
  nameFault,
  type Tree,
  textFault,
  tooDeep,
  tooManyValues,
  VALUES_MAX,
} from "./tree.ts";

export const TEXT_BYTES_MAX = 1024 * 1024;
const LINES_MAX = 20_000;
const LEXEMES_MAX = 20_000;
/** The parser keeps one entry per open collection and a few around them. */
const STACK_MAX = DEPTH_MAX + 8;
const SYNTAX_FAULTS_MAX = 20;

export interface YamlReading {
  /** Absent when the text could not be read as YAML. */
  readonly tree?: Tree;
  readonly faults: readonly Fault[];
  readonly locate: Locate;
}

export function readYaml(text: string): YamlReading {
  const lines = new LineCounter();
  const locate: Locate = (offset) => {
    const spot = lines.linePos(Math.max(0, offset));
    return { line: Math.max(1, spot.line), column: Math.max(1, spot.col) };
  };
  const refuse = (faults: readonly Fault[]): YamlReading => ({ faults, locate });
  const size = sizeFault(text);
  if (size) return refuse([size]);
  const scan = scanText(text, lines);
  if (scan.faults.length > 0) return refuse(scan.faults);
  const composed = compose(scan.tokens, text);
  if ("faults" in composed) return refuse(composed.faults);
  const reading = new TreeReader();
  try {
    const tree = reading.read(composed.document.contents as Node | null, []);
    return { tree, faults: reading.faults, locate };
  } catch (error) {
    if (error instanceof Refusal) return refuse([error.fault]);
    throw error;
  }
}

function sizeFault(text: string): Fault | undefined {
  const limit = `at most ${TEXT_BYTES_MAX} bytes and ${LINES_MAX} lines`;
  const tooLong = (what: string): Fault => ({
    code: "too_large",
    path: [],
    offset: 0,
    limit,
    message: `The file has ${what}; it may have ${limit}. Move large data into a file of its own or a dataset and name it here.`,
  });
  // UTF-8 takes at least one byte a character, so the cheap test comes first.
  if (text.length > TEXT_BYTES_MAX) return tooLong(`more than ${TEXT_BYTES_MAX} bytes`);
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > TEXT_BYTES_MAX) return tooLong(`${bytes} bytes`);
  let lineCount = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lineCount++;
  return lineCount > LINES_MAX ? tooLong(`${lineCount} lines`) : undefined;
}

const TAGS_READ = new Set(["!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq"]);

/** Runs lexer and parser side by side, so that size and depth are known before anything is built. */
function scanText(text: string, lines: LineCounter): { tokens: CST.Token[]; faults: Fault[] } {
  const tokens: CST.Token[] = [];
  const faults: Fault[] = [];
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const offset = parser.offset;
    if (++count > LEXEMES_MAX)
      return { tokens, faults: [{ code: "too_large", path: [], offset, message: tooManyTokens }] };
    const kind = CST.tokenType(lexeme);
    if (kind === "tag" && !TAGS_READ.has(lexeme) && faults.length < SYNTAX_FAULTS_MAX)
      faults.push(tagFault(lexeme, offset));
    if (
      kind === "directive-line" &&
      !/^%YAML\s+1\.2\s*$/.test(lexeme) &&
      faults.length < SYNTAX_FAULTS_MAX
    ) {
      faults.push({
        code: "yaml_syntax",
        path: [],
        offset,
        value: lexeme,
        message: `${show(lexeme)} is a YAML directive; configurations are YAML 1.2 without directives. Remove the line.`,
      });
    }
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > STACK_MAX)
      return { tokens, faults: [{ code: "too_deep", path: [], offset, message: tooDeep }] };
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, faults };
}

const tagFault = (tag: string, offset: number): Fault => ({
  code: "yaml_tag",
  path: [],
  offset,
  value: tag,
  message: `${show(tag)} is a YAML tag; a configuration is plain data and no tag but ${[...TAGS_READ].join(", ")} is read. Remove the tag${tag.startsWith("!") ? ", or quote the text if it begins with an exclamation mark" : ""}.`,
});

function compose(
  tokens: CST.Token[],
  text: string,
): { document: Document.Parsed } | { faults: Fault[] } {
  // Duplicates are looked for by TreeReader, in linear time.
  const composer = new Composer({
    uniqueKeys: false,
    stringKeys: true,
    merge: false,
    resolveKnownTags: false,
    prettyErrors: false,
    logLevel: "silent",
    version: "1.2",
    schema: "core",
  });
  const documents: Document.Parsed[] = [];
  for (const document of composer.compose(tokens, true, text.length))
    documents.push(document as Document.Parsed);
  // A warning is a tag that does not fit its value, which would otherwise pass as text.
  const flaws = documents.flatMap((document) => [...document.errors, ...document.warnings]);
  const faults = flaws.slice(0, SYNTAX_FAULTS_MAX).map(
    (flaw): Fault => ({
      code: flaw.code === "TAG_RESOLVE_FAILED" ? "yaml_tag" : "yaml_syntax",
      path: [],
      offset: flaw.pos[0],
      message: syntaxMessage(flaw.code, flaw.message),
    }),
  );
  const second = documents[1];
  if (faults.length === 0 && second) {
    faults.push({
      code: "yaml_syntax",
      path: [],
      offset: second.range?.[0] ?? 0,
      message:
        "The file holds more than one YAML document; a configuration is one. Put each into a file of its own.",
    });
  }
  return faults.length > 0 || !documents[0] ? { faults } : { document: documents[0] };
}

function syntaxMessage(code: string, message: string): string {
  if (code === "TAB_AS_INDENT")
    return "A tab indents this line; YAML is indented by spaces. Replace the tab.";
  if (code === "NON_STRING_KEY")
    return "A list, a map or an alias stands here as a name; names are plain words. Quote the name if it begins with a bracket, a brace or an asterisk.";
  if (code === "TAG_RESOLVE_FAILED")
    return "The tag does not fit its value. Remove the tag, or write the value as the tag wants it.";
  return `The YAML cannot be read here: ${message.replace(/\s+/g, " ").replace(/\.$/, "")}.`;
}

const tooManyTokens = `The file is made of more than ${LEXEMES_MAX} YAML tokens. Move large data into a file of its own or a dataset and name it here.`;

class Refusal extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Walks the library's nodes once; aliases share the subtree of their anchor and pay for its size. */
class TreeReader {
  readonly faults: Fault[] = [];
  private readonly anchors = new Map<string, Tree | "open">();
  private values = 0;

  read(node: Node | null, path: Path): Tree {
    const at = node?.range?.[0] ?? 0;
    if (path.length > DEPTH_MAX)
      throw new Refusal({ code: "too_deep", path: [], offset: at, message: tooDeep });
    if (isAlias(node)) return this.alias(node.source, at, path);
    this.spend(1, at);
    const anchor = (isScalar(node) || isMap(node) || isSeq(node)) && node.anchor;
    if (anchor) this.anchors.set(anchor, "open");
    const tree = this.node(node, at, path);
    if (anchor) this.anchors.set(anchor, tree);
    return tree;
  }

  private spend(count: number, offset: number): void {
    this.values += count;
    if (this.values > VALUES_MAX)
      throw new Refusal({ code: "too_large", path: [], offset, message: tooManyValues });
  }

  private node(node: Node | null, at: number, path: Path): Tree {
    if (isMap(node)) return this.map(node as YAMLMap<Scalar<string>, Node | null>, at, path);
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        this.read(item as Node | null, [...path, index]),
      );
      return { kind: "list", items, at, size: 1 + total(items), depth: 1 + deepest(items) };
    }
    return {
      kind: "scalar",
      value: node === null ? null : this.scalar(node as Scalar, path),
      at,
      size: 1,
      depth: 0,
    };
  }

  private alias(name: string, at: number, path: Path): Tree {
    const tree = this.anchors.get(name);
    if (tree === undefined || tree === "open") {
      const why = tree === "open" ? "stands inside what it names" : "names nothing above it";
      throw new Refusal({
        code: "yaml_alias",
        path: [],
        offset: at,
        value: `*${name}`,
        message: `The alias *${show(name).slice(1, -1)} ${why}. Write the value out.`,
      });
    }
    this.spend(tree.size, at);
    if (path.length + tree.depth > DEPTH_MAX)
      throw new Refusal({ code: "too_deep", path: [], offset: at, message: tooDeep });
    return { ...tree, at };
  }

  private scalar(node: Scalar, path: Path): null | boolean | number | string {
    const value = node.value;
    if (typeof value === "string") {
      const flaw = textFault(value, path, "value");
      if (flaw) this.faults.push(flaw);
      return value;
    }
    if (typeof value !== "number") return typeof value === "boolean" ? value : null;
    const source = node.source ?? String(value);
    if (!Number.isFinite(value)) {
      this.faults.push({
        code: "unstorable",
        path,
        value: source,
        message: `${renderPath(path)} is ${spelled(source)}; numbers must be finite (at most about 1.8e308). Use a finite number, or quote it to pass it as text.`,
      });
      return 0;
    }
    if (
      Number.isInteger(value) &&
      !Number.isSafeInteger(value) &&
      /^[-+]?(\d+|0[xo][0-9a-fA-F]+)$/.test(source)
    ) {
      this.faults.push({
        code: "unstorable",
        path,
        value: source,
        message: `${renderPath(path)} is ${spelled(source)}; whole numbers above 2^53 cannot be held exactly. Quote it to pass it as text.`,
      });
    }
    return value === 0 ? 0 : value;
  }

  private map(node: YAMLMap<Scalar<string>, Node | null>, at: number, path: Path): Tree {
    const entries = new Map<string, Entry>();
    const merged: Tree[] = [];
    for (const pair of node.items) {
      const key = pair.key;
      const name = isScalar(key) ? String(key.value ?? "") : "";
      const keyAt = key?.range?.[0] ?? at;
      const below = [...path, name];
      if (name === "<<" && key.type === "PLAIN") {
        merged.push(...this.mergeSources(pair.value, keyAt, path));
        continue;
      }
      // Read even where the name is refused: an anchor in there may be named later.
      const tree = this.read(pair.value, below);
      const flaw = nameFault(name, below);
      if (flaw) this.placed(flaw, keyAt);
      else if (entries.has(name))
        this.placed(
          {
            code: "duplicate_key",
            path: below,
            at: "key",
            value: name,
            message: `${renderPath(below)} is set twice in the same map. Keep one of the two.`,
          },
          keyAt,
        );
      else entries.set(name, { keyAt, tree });
    }
    for (const source of merged) {
      if (source.kind !== "map") continue;
      for (const [name, entry] of source.entries) if (!entries.has(name)) entries.set(name, entry);
    }
    const trees = [...entries.values()].map((entry) => entry.tree);
    return { kind: "map", entries, at, size: 1 + total(trees), depth: 1 + deepest(trees) };
  }

  /** `<<: *base` or `<<: [*a, *b]`: keys that the map itself sets win, then the earlier source. */
  private mergeSources(value: Node | null, keyAt: number, path: Path): Tree[] {
    const tree = this.read(value, [...path, "<<"]);
    const sources = tree.kind === "list" ? tree.items : [tree];
    if (sources.some((source) => source.kind !== "map")) {
      throw new Refusal({
        code: "yaml_syntax",
        path: [],
        offset: keyAt,
        message: `The merge key << takes a map or a list of maps. Name one by its alias (<<: *base), or quote "<<" if it is meant as a name.`,
      });
    }
    return [...sources];
  }

  /** A faulty key has no entry of its own in the tree, so its offset goes along. */
  private placed(fault: Fault, offset: number): void {
    this.faults.push({ ...fault, offset });
  }
}

const spelled = (source: string): string => show(source).replace(/^"|"$/g, "");
const total = (trees: readonly Tree[]): number => trees.reduce((sum, tree) => sum + tree.size, 0);
const deepest = (trees: readonly Tree[]): number =>
  trees.reduce((most, tree) => Math.max(most, tree.depth), 0);
