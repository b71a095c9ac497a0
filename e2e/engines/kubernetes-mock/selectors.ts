/** `labelSelector` and `fieldSelector` of a request, as far as clients here use them. */
import type { Stored } from "./store.ts";

export type Selector = (object: Stored) => boolean;

export function selectorOf(query: URLSearchParams): Selector {
  const labels = parts(query.get("labelSelector")).map(ofLabel);
  const fields = parts(query.get("fieldSelector")).map(ofField);
  return (object) => [...labels, ...fields].every((holds) => holds(object));
}

/** Commas divide, but not those in `key in (a,b)`. */
const parts = (text: string | null): string[] =>
  (text ?? "").split(/,(?![^(]*\))/).filter((part) => part !== "");

function ofLabel(part: string): Selector {
  const within = /^(\S+) (in|notin) \((.*)\)$/.exec(part);
  if (within !== null) {
    const [, key = "", word, list = ""] = within;
    const values = list.split(",").map((value) => value.trim());
    return ({ metadata }) => values.includes(metadata.labels?.[key] ?? "\0") === (word === "in");
  }
  const [, key = "", operator = "", value = ""] = /^([^=!]+)(!=|==|=)?(.*)$/.exec(part) ?? [];
  if (operator === "") return ({ metadata }) => metadata.labels?.[key] !== undefined;
  return ({ metadata }) => (metadata.labels?.[key] === value) === (operator !== "!=");
}

function ofField(part: string): Selector {
  const [, path = "", operator, value] = /^([^=!]+)(!=|==|=)(.*)$/.exec(part) ?? [];
  return (object) => {
    const found = path
      .split(".")
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object);
    return (String(found ?? "") === value) === (operator !== "!=");
  };
}
