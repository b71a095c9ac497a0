/** What code asks for and what its lock files say, in the formats that are in use. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { declaredPackages } from "./declared-packages.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-declared-"));
after(() => rmSync(root, { recursive: true, force: true }));
const HASH = "a".repeat(64);
const OTHER = "b".repeat(64);

function declared(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(root, "f-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { captured, missing, not_applicable: none } = declaredPackages(folder);
  const without = (fields: object | undefined) =>
    Object.fromEntries(Object.entries(fields ?? {}).filter(([name]) => !name.startsWith("file:")));
  return {
    requested: without(captured.packages_requested),
    resolved: without(captured.packages_resolved),
    files: [captured.packages_requested, captured.packages_resolved].flatMap((fields) =>
      Object.keys(fields ?? {}).filter((name) => name.startsWith("file:")),
    ),
    missing: missing.map(({ what }) => what),
    none: none.map(({ what }) => what),
  };
}

test("requirements.txt: names, versions, extras, other files, addresses", () => {
  const found = declared({
    "requirements.txt": [
      "# what we need",
      "NumPy>=1.26,<3  # numbers",
      "torch==2.13.0",
      'Typing_Extensions ; python_version < "3.11"',
      "uvicorn[standard] == 0.30",
      "-r requirements-more.txt",
      "--index-url https://example.org/simple",
      "-e git+https://ada:hunter2@example.org/tool.git#egg=tool",
      "pandas @ https://example.org/pandas.whl",
      "",
    ].join("\n"),
    "requirements-more.txt": "six\n",
  });
  assert.deepEqual(found.requested, {
    "pip:numpy": ">=1.26,<3",
    "pip:torch": "==2.13.0",
    "pip:typing-extensions": '; python_version < "3.11"',
    "pip:uvicorn": "[standard] == 0.30",
    "pip:six": "any version",
    "pip:tool": "-e git+https://ada:hunter2@example.org/tool.git#egg=tool",
    "pip:pandas": "@ https://example.org/pandas.whl",
  });
  assert.deepEqual(found.files, ["file:requirements-more.txt", "file:requirements.txt"]);
  assert.deepEqual(found.none, ["packages_resolved"]);
});

test("requirements with a hash in each line were resolved", () => {
  const found = declared({
    "requirements.txt": `six==1.16.0 \\\n    --hash=sha256:${HASH} \\\n    --hash=sha256:${OTHER}\n`,
  });
  assert.deepEqual(found.resolved, {
    "pip:six": "1.16.0",
    "pip:six hashes": `sha256:${HASH} sha256:${OTHER}`,
  });
});

test("no file outside the code is read for it", () => {
  const found = declared({
    "requirements.txt": "-r ../../../../etc/hostname\n-r /etc/hostname\nsix\n",
  });
  assert.deepEqual(found.requested, { "pip:six": "any version" });
});

test("pyproject.toml, of the standard and of Poetry; uv.lock, poetry.lock, pylock.toml", () => {
  const standard = declared({
    "pyproject.toml":
      '[project]\nname = "x"\nrequires-python = ">=3.10"\ndependencies = ["numpy>=1"]\n[project.optional-dependencies]\ngpu = ["torch"]\n[dependency-groups]\ndev = ["pytest", {include-group = "x"}]\n',
    "uv.lock": `version = 1\n[[package]]\nname = "x"\nversion = "0"\nsource = { virtual = "." }\n[[package]]\nname = "numpy"\nversion = "2.1.0"\nsource = { registry = "https://pypi.org/simple" }\nsdist = { url = "u", hash = "sha256:${HASH}" }\nwheels = [{ url = "w", hash = "sha256:${OTHER}" }]\n`,
  });
  assert.deepEqual(standard.requested, {
    "pip:numpy": ">=1",
    "pip:torch": "any version",
    "pip:pytest": "any version",
    python: ">=3.10",
  });
  assert.deepEqual(standard.resolved, {
    "pip:numpy": "2.1.0",
    "pip:numpy hashes": `sha256:${OTHER} sha256:${HASH}`,
  });
  const poetry = declared({
    "pyproject.toml":
      '[tool.poetry.dependencies]\npython = "^3.11"\nnumpy = "^2"\ntorch = {version = "2.13", optional = true}\n',
    "poetry.lock": `[[package]]\nname = "numpy"\nversion = "2.1.0"\nfiles = [{file = "n.whl", hash = "sha256:${HASH}"}]\n`,
    "pylock.toml": `lock-version = "1.0"\n[[packages]]\nname = "six"\nversion = "1.16.0"\nwheels = [{ url = "u", hashes = { sha256 = "${OTHER}" } }]\n`,
  });
  assert.deepEqual(poetry.requested, { python: "^3.11", "pip:numpy": "^2", "pip:torch": "2.13" });
  assert.deepEqual(poetry.resolved, {
    "pip:numpy": "2.1.0",
    "pip:numpy hashes": `sha256:${HASH}`,
    "pip:six": "1.16.0",
    "pip:six hashes": `sha256:${OTHER}`,
  });
});

test("environment.yml of conda, package.json and package-lock.json of npm", () => {
  const found = declared({
    "environment.yml":
      "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - conda-forge::numpy >=1\n  - pip:\n    - torch==2.13.0\n",
    "package.json": '{"dependencies": {"zod": "^4"}, "engines": {"node": ">=22"}}',
    "package-lock.json": JSON.stringify({
      lockfileVersion: 3,
      packages: {
        "": {},
        "node_modules/zod": {
          version: "4.1.0",
          resolved: "https://registry.npmjs.org/zod/-/zod-4.1.0.tgz",
          integrity: "sha512-abc==",
        },
        "node_modules/a/node_modules/zod": { version: "3.0.0", resolved: "git+ssh://x" },
      },
    }),
  });
  assert.deepEqual(found.requested, {
    "conda:python": "=3.11",
    "conda:numpy": ">=1",
    "pip:torch": "==2.13.0",
    "npm:zod": "^4",
    node: ">=22",
  });
  assert.deepEqual(found.resolved, {
    "npm:zod": "4.1.0",
    "npm:zod hashes": "sha512-abc==",
    "npm:a/node_modules/zod": "3.0.0",
    "npm:a/node_modules/zod origin": "git+ssh://x",
  });
});

test("what cannot be read is said by name", () => {
  const found = declared({
    "pyproject.toml": "[project\n",
    "package-lock.json": '{"lockfileVersion": 1, "dependencies": {}}',
    "yarn.lock": "# yarn\n",
    "setup.py": "",
  });
  assert.deepEqual(found.missing, [
    "packages_resolved.package-lock.json",
    "packages_resolved.pyproject.toml",
    "packages_resolved.yarn.lock",
    "packages_requested",
  ]);
  assert.deepEqual(declared({}).none, ["packages_requested", "packages_resolved"]);
});

test("what leads out of the code, never ends or is too large is not read, and said so", () => {
  const folder = mkdtempSync(join(root, "f-"));
  const secret = join(root, "secret.txt");
  writeFileSync(secret, "secret-word==1\n");
  mkdirSync(join(root, "outside"));
  writeFileSync(join(root, "outside", "more.txt"), "secret-word==2\n");
  mkdirSync(join(folder, "inside"));
  writeFileSync(join(folder, "inside", "more.txt"), "six\n");
  symlinkSync(secret, join(folder, "linked.txt"));
  symlinkSync(join(root, "outside"), join(folder, "away"));
  symlinkSync(secret, join(folder, "requirements-link.txt"));
  symlinkSync("/dev/zero", join(folder, "requirements-zero.txt"));
  execFileSync("mkfifo", [join(folder, "requirements-pipe.txt")]);
  writeFileSync(join(folder, "requirements-large.txt"), "");
  truncateSync(join(folder, "requirements-large.txt"), 40_000_000);
  mkdirSync(join(folder, "requirements-folder.txt"));
  writeFileSync(
    join(folder, "requirements.txt"),
    "-r linked.txt\n-r away/more.txt\n-r inside/more.txt\n-r nowhere.txt\nnumpy\n",
  );
  const { captured, missing } = declaredPackages(folder);
  const packages = Object.keys(captured.packages_requested ?? {});
  assert.deepEqual(packages.sort(), ["file:requirements.txt", "pip:numpy", "pip:six"]);
  assert.ok(!JSON.stringify([captured, missing]).includes("secret-word"));
  const why = Object.fromEntries(missing.map(({ why }) => why.split(": ") as [string, string]));
  for (const name of ["linked.txt", "away/more.txt", "requirements-link.txt"])
    assert.match(why[name] ?? "", /links are not followed/, name);
  assert.match(why["requirements-zero.txt"] ?? "", /links are not followed/);
  for (const name of ["requirements-pipe.txt", "requirements-folder.txt"])
    assert.match(why[name] ?? "", /no regular file/, name);
  assert.match(why["requirements-large.txt"] ?? "", /40000000 bytes/);
});

test("files that name each other are read once each", () => {
  const each = "-r requirements-a.txt\n-r requirements-b.txt\n".repeat(50);
  const found = declared({
    "requirements-a.txt": `${each}six\n`,
    "requirements-b.txt": `${each}numpy\n`,
  });
  assert.deepEqual(found.requested, { "pip:six": "any version", "pip:numpy": "any version" });
});

test("lines that are made to be tried again and again are read as fast as others", () => {
  const many = (text: string): string => text.repeat(300_000);
  const found = declared({
    "requirements.txt": [
      `a:${many(":")} x`,
      `-r ${many("=")} x`,
      `b${many(" ")}c`,
      `d # ${many("# ")}\re\u2028f`,
      "-e ./folder",
      "./other",
    ].join("\n"),
    "environment.yml": `dependencies: ["${many("a")}\\n b"]\n`,
  });
  const names = Object.keys(found.requested).filter((name) => name.length < 20);
  assert.deepEqual(names.toSorted(), [
    ...["pip:-/folder", "pip:-/other", "pip:a", "pip:b", "pip:d", "pip:e", "pip:f"],
  ]);
});

test("what is too long to be read at once is not looked into, in whichever file it stands", () => {
  const folder = mkdtempSync(join(root, "long-"));
  writeFileSync(join(folder, "requirements.txt"), "-r more.txt\n");
  writeFileSync(join(folder, "more.txt"), "six\n");
  assert.throws(() => declaredPackages(folder, 15), /more.txt is too long to be read here/);
  assert.ok("pip:six" in (declaredPackages(folder, 16).captured.packages_requested ?? {}));
});
