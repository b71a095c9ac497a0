/**
 * The walls of the house as data: which room may import from which, and which npm packages each may
 * use. The direction is base ← core, protocol ← store, engines, sdk ← server, runner, cli, web ← sim.
 *
 * A room that is not named here may not exist, and a package that no room names may not be imported:
 * this table is the place to argue for either.
 */
export interface Room {
  /** Folder, with its slash. */
  readonly folder: string;
  /** Folders or files, without extension, from which it may import besides itself. */
  readonly mayImport: readonly string[];
  /** Folders or files of which it may use the types alone, with `import type`. */
  readonly mayImportTypes?: readonly string[];
  /** Further rooms for tests, all of them below this one: to try both sides of an interface at once. */
  readonly testsMayImport?: readonly string[];
  /** npm packages by name; a name with a folder after ` in ` may be used only there. */
  readonly packages: readonly string[];
  /** Whether Node's own modules may be imported outside tests. */
  readonly node: boolean;
}

const PURE = { node: false } as const;
const SHELL = { node: true } as const;
const SHARED = ["src/base/", "src/protocol/"];

export const rooms: readonly Room[] = [
  { folder: "src/base/", mayImport: [], packages: [], ...PURE },
  { folder: "src/core/", mayImport: ["src/base/"], packages: [], ...PURE },
  {
    folder: "src/protocol/",
    mayImport: ["src/base/"],
    packages: ["zod", "yaml in src/protocol/config/"],
    ...PURE,
  },
  // What terminal, page and server all compute from answers of the API.
  {
    folder: "src/analysis/",
    mayImport: ["src/base/"],
    mayImportTypes: ["src/protocol/"],
    packages: [],
    ...PURE,
  },
  // Files for other programs: made by the server, and known to the command line.
  {
    folder: "src/export/",
    mayImport: SHARED,
    // What is written is read back by the client that others use.
    testsMayImport: ["src/sdk/"],
    packages: ["hyparquet-writer"],
    ...SHELL,
  },
  {
    folder: "src/store/",
    mayImport: [...SHARED, "src/core/", "src/export/"],
    packages: ["pg", "kysely", "hyparquet in src/store/statistics/", "s3mini"],
    ...SHELL,
  },
  {
    folder: "src/engines/",
    mayImport: [...SHARED, "src/core/"],
    packages: ["yaml in src/engines/kubernetes/"],
    ...SHELL,
  },
  // Parses answers with the protocol's schemas; zod for their types.
  { folder: "src/sdk/", mayImport: SHARED, packages: ["zod"], ...SHELL },
  {
    folder: "src/server/",
    mayImport: [
      ...SHARED,
      // `diff` lays two runs side by side as the page does.
      "src/analysis/",
      "src/core/",
      "src/export/",
      "src/store/",
      "src/engines/",
      "src/sdk/",
    ],
    packages: [
      "fastify",
      "@fastify/swagger",
      "fastify-type-provider-zod",
      "pino",
      // For transactions and their types; statements stay in the store.
      "pg",
      "kysely",
      "zod",
    ],
    ...SHELL,
  },
  {
    folder: "src/runner/",
    mayImport: [
      ...SHARED,
      "src/core/",
      // Snapshots are hashed and laid out by the same code on both sides.
      "src/store/snapshot",
      "src/store/tree",
      // What is sent of a file, of any size.
      "src/store/file-part",
      // Data that lies elsewhere is compared with its list by the same code on both sides.
      "src/store/data-reference",
      "src/store/hash-file",
      "src/store/s3",
      // One runner for each folder, by the same kernel lock that keeps two servers apart.
      "src/store/file-lock",
      // How engine and runner find each other, and know a process again after a restart.
      "src/engines/process-identity",
      "src/engines/runner-record",
      // Its ranks may be containers, which the engine knows how to speak of.
      "src/engines/docker/docker-api",
      "src/engines/docker/container-settings",
      "src/engines/docker/output-frames",
      // What a failure of nvidia-smi means is the same for a record as for the slots of a machine.
      "src/engines/local/nvidia-smi",
    ],
    testsMayImport: ["src/store/", "src/engines/", "src/sdk/"],
    packages: ["zod", "smol-toml in src/runner/capture/", "yaml in src/runner/capture/"],
    ...SHELL,
  },
  {
    folder: "src/cli/",
    // Server and runner are started by path, as processes, and not imported.
    mayImport: [
      ...SHARED,
      "src/analysis/",
      "src/export/",
      "src/sdk/",
      // `search simulate` and `preview` need no server and play the search at home.
      "src/core/search/",
      "src/core/space/",
      // They read a configuration exactly as the server does; the rest of the server is a process.
      "src/server/translate",
      "src/store/snapshot",
      "src/store/file-part",
      // What a killed download left is known as what a killed writer of blobs left.
      "src/store/writer",
      // `data add` looks into tables while it reads them.
      "src/store/statistics/",
      // `data add --reference s3://…` lists what is there.
      "src/store/s3",
      // `doctor` asks what the server would find.
      "src/store/postgres/operating-user",
      // `doctor determinism` compares checkpoints at home, and stands at the runner's end of a trial's socket.
      "src/store/tensors/",
      "src/runner/trial-socket",
      // `down` ends the runner that a killed server left, by the note and with the patience that the server has.
      "src/engines/local/local-engine",
      // `audit verify --file` walks an export by the same rules, with no server to be trusted.
      "src/store/chain-walk",
      // `search replay` compares its state with the one that a server saved.
      "src/store/search-state-hash",
    ],
    testsMayImport: ["src/core/", "src/store/", "src/engines/"],
    packages: ["commander", "yaml"],
    ...SHELL,
  },
  {
    folder: "src/sim/",
    mayImport: ["src/"],
    packages: [],
    ...SHELL,
  },
  {
    folder: "web/",
    mayImport: [
      "src/base/",
      "src/analysis/",
      // The client that programs use runs in a browser as it is.
      "src/sdk/client",
      "src/sdk/sse",
      "src/sdk/remote-error",
      // Numbers and foreign text look the same in terminal and page.
      "src/cli/figures",
      "src/cli/inert",
      "src/cli/layer-view",
      // A filter is read, and its faults shown, by the parser that the server has.
      "src/protocol/experiment-filter/fields",
      "src/protocol/experiment-filter/parse",
      "src/protocol/experiment-filter/states",
      "src/protocol/config/nearest",
      // A folder from the browser leaves out what the command line leaves out.
      "src/store/ignore-file",
      "src/store/glob",
    ],
    // Its zod schemas are for the other side, and would double what a browser loads.
    mayImportTypes: ["src/protocol/"],
    packages: [
      "react",
      "react-dom",
      "@mantine/core",
      "@mantine/hooks",
      "@tanstack/react-query",
      "@tanstack/react-router",
      "@tanstack/react-virtual",
      "uplot",
      // They build it.
      "vite in web/vite.config.ts",
      "@vitejs/plugin-react in web/vite.config.ts",
    ],
    ...PURE,
  },
  // What a user could write: the public entry and Node.
  { folder: "examples/", mayImport: [], packages: ["contrail"], ...SHELL },
  {
    folder: "bench/",
    mayImport: ["src/", "examples/", "e2e/engines/", "scripts/engines/", "scripts/arguments"],
    packages: ["contrail", "pg", "pino", "playwright-core in bench/web/"],
    ...SHELL,
  },
  {
    folder: "e2e/",
    mayImport: ["src/", "examples/", "bench/"],
    packages: ["contrail", "pg", "playwright-core in e2e/web/", "axe-core in e2e/web/"],
    ...SHELL,
  },
  {
    folder: "scripts/",
    mayImport: ["src/", "examples/", "e2e/", "bench/"],
    packages: ["pg", "vite in scripts/build.ts"],
    ...SHELL,
  },
];

/** Tests may use these in every room, and Node's own modules in the pure ones. */
export const testPackages: readonly string[] = ["fast-check", "hyparquet", "@uwdata/flechette"];

/** Tests, and what exists for them alone: `test-database.ts`, `fake-runner.ts`, `x-fixtures.ts`. */
export const isTest = (path: string): boolean =>
  /(?:\.test\.tsx?|(?:^|\/)(?:test|fake)-[\w-]+\.ts|[-.]fixtures\.ts)$/.test(path);

/** `web/` and its features: a feature does not import another feature. */
export const FEATURES = "web/features/";

export const roomOf = (path: string): Room | undefined =>
  rooms.find((room) => path.startsWith(room.folder));
