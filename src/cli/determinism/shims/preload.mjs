/**
 * What `contrail doctor determinism` puts in front of a Node program; see sitecustomize.py, its Python twin. Math.random,
 * the clock and the order of directory listings are held still or moved on purpose, and noted with their place.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const SEED = 20_260_701;
const CLOCK_START_MS = 1_767_225_600_000;
const SHIFT_MS = 26 * 3_600_000 + 61_000;
const PLACES_MAX = 5;

const { modes = {}, trace, root = "" } = JSON.parse(process.env.CONTRAIL_DOCTOR ?? "{}");
const seen = new Map();
const { appendFileSync } = fs;

function write(line) {
  try {
    appendFileSync(trace, `${JSON.stringify(line)}\n`);
  } catch {}
}

function note(kind) {
  const places = seen.get(kind) ?? new Set();
  seen.set(kind, places);
  if (places.size >= PLACES_MAX) return;
  for (const line of (new Error().stack ?? "").split("\n")) {
    const [, file = "", at] = /\(?((?:file:\/\/)?\/[^():]+):(\d+):\d+\)?$/.exec(line) ?? [];
    const path = file.startsWith("file:") ? fileURLToPath(file) : file;
    if (!path.startsWith(root + sep) || path.includes(`${sep}node_modules${sep}`)) continue;
    const place = `${relative(root, path)}:${at}`;
    if (!places.has(place)) write({ kind, place });
    places.add(place);
    return;
  }
}

function random() {
  const real = Math.random;
  let state = SEED;
  // Mulberry32: any fixed sequence will do.
  const fixed = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  Math.random = () => {
    note("math_random");
    return modes.math_random === "fixed" ? fixed() : real();
  };
}

function clock() {
  const RealDate = Date;
  let ticks = 0;
  const nowMs = () => {
    note("clock");
    if (modes.clock === "fixed") return CLOCK_START_MS + ++ticks;
    return RealDate.now() + (modes.clock === "moved" ? SHIFT_MS : 0);
  };
  // Not performance.now(): Node itself waits by it.
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, itself) =>
      Reflect.construct(target, args.length === 0 ? [nowMs()] : args, itself),
    apply: () => new RealDate(nowMs()).toString(),
    get: (target, name) => (name === "now" ? nowMs : Reflect.get(target, name)),
  });
}

function listings() {
  const nameOf = (entry) => String(typeof entry === "object" ? entry.name : entry);
  const arranged = (entries) => {
    note("listing");
    if (!Array.isArray(entries) || modes.listing === undefined || modes.listing === "natural")
      return entries;
    const sorted = entries.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    return modes.listing === "moved" ? sorted.reverse() : sorted;
  };
  const { readdirSync, readdir } = fs;
  const real = fs.promises.readdir;
  fs.readdirSync = (...args) => arranged(readdirSync(...args));
  fs.promises.readdir = async (...args) => arranged(await real(...args));
  fs.readdir = (...args) => {
    const done = args.pop();
    readdir(...args, (error, entries) => done(error, error ? entries : arranged(entries)));
  };
  syncBuiltinESMExports();
}

if (trace !== undefined) {
  write({ kind: "node", place: "" });
  random();
  clock();
  listings();
}
