/** What an API server refuses about objects that people make: enough to find what would not get past the real one. */
import { parseQuantity } from "../../../src/engines/kubernetes/quantity.ts";
import type { Plural, Stored } from "./store.ts";

export interface Cause {
  readonly field: string;
  readonly message: string;
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SERVICE_NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const QUALIFIED = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export function causesAgainst(plural: Plural, object: Stored): Cause[] {
  const causes: Cause[] = [];
  const say = (field: string, message: string) => causes.push({ field, message });
  const { name, labels = {}, annotations = {} } = object.metadata ?? {};
  const names = plural === "services" ? SERVICE_NAME : SUBDOMAIN;
  if (typeof name !== "string" || name.length > 253 || !names.test(name))
    say("metadata.name", `Invalid value: "${name}": must be a lowercase RFC 1123 name`);
  for (const [key, value] of Object.entries(labels)) {
    if (!QUALIFIED.test(key)) say("metadata.labels", `Invalid value: "${key}": no qualified name`);
    if (typeof value !== "string" || !LABEL_VALUE.test(value))
      say("metadata.labels", `Invalid value: "${value}": no valid label value`);
  }
  for (const [key, value] of Object.entries(annotations)) {
    if (!QUALIFIED.test(key)) say("metadata.annotations", `Invalid value: "${key}"`);
    if (typeof value !== "string") say("metadata.annotations", `"${key}" must be a string`);
  }
  if (plural === "pods") causes.push(...causesAgainstPod(object.spec ?? {}));
  if (plural === "secrets" || plural === "configmaps")
    for (const [key, value] of Object.entries(object.data ?? {}))
      if (!/^[-._a-zA-Z0-9]+$/.test(key) || typeof value !== "string")
        say(
          `data[${key}]`,
          "Invalid value: a key has letters, digits, -, _ and ., a value is text",
        );
  return causes;
}

type Fields = Stored["spec"];

function causesAgainstPod(spec: Fields): Cause[] {
  const causes: Cause[] = [];
  const say = (field: string, message: string) => causes.push({ field, message });
  const containers: Fields[] = spec.containers ?? [];
  if (containers.length === 0) say("spec.containers", "Required value");
  if (!["Always", "OnFailure", "Never", undefined].includes(spec.restartPolicy))
    say("spec.restartPolicy", `Unsupported value: "${spec.restartPolicy}"`);
  for (const field of ["hostname", "subdomain"])
    if (spec[field] !== undefined && !LABEL_NAME.test(spec[field]))
      say(`spec.${field}`, `Invalid value: "${spec[field]}": must be an RFC 1123 label`);
  const volumes = new Set((spec.volumes ?? []).map((volume: Fields) => volume.name));
  if (volumes.size !== (spec.volumes ?? []).length) say("spec.volumes", "Duplicate value");
  const names = containers.map(({ name }) => name);
  if (new Set(names).size !== names.length) say("spec.containers", "Duplicate value");
  for (const [index, container] of containers.entries()) {
    const at = `spec.containers[${index}]`;
    if (!LABEL_NAME.test(container.name ?? "")) say(`${at}.name`, "Required value");
    if (typeof container.image !== "string" || container.image.trim() !== container.image)
      say(`${at}.image`, "Required value");
    for (const word of container.command ?? [])
      if (typeof word !== "string") say(`${at}.command`, "must be strings");
    for (const { name, value } of container.env ?? []) {
      if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name)) say(`${at}.env`, `Invalid value: "${name}"`);
      if (value !== undefined && typeof value !== "string") say(`${at}.env`, `${name}: no string`);
    }
    const paths = new Set<string>();
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      if (!volumes.has(name)) say(`${at}.volumeMounts`, `Not found: "${name}"`);
      if (paths.has(mountPath)) say(`${at}.volumeMounts`, `"${mountPath}" must be unique`);
      paths.add(mountPath);
    }
    causes.push(...causesAgainstResources(container.resources ?? {}, `${at}.resources`));
  }
  return causes;
}

function causesAgainstResources(resources: Fields, at: string): Cause[] {
  const causes: Cause[] = [];
  const { requests = {}, limits = {} } = resources;
  for (const [list, values] of Object.entries({ requests, limits }))
    for (const [name, value] of Object.entries(values as object)) {
      const amount = parseQuantity(String(value));
      if (amount === undefined || amount < 0)
        causes.push({ field: `${at}.${list}[${name}]`, message: `Invalid value: "${value}"` });
      if (name.includes("/") && !Number.isInteger(amount))
        causes.push({ field: `${at}.${list}[${name}]`, message: "must be an integer" });
    }
  for (const [name, value] of Object.entries(requests))
    if (name in limits && (parseQuantity(String(value)) ?? 0) > (parseQuantity(limits[name]) ?? 0))
      causes.push({
        field: `${at}.requests`,
        message: `Invalid value: "${value}": must be less than or equal to ${name} limit`,
      });
  return causes;
}
