/**
 * A small image for tests, made of this machine's own files, since a registry may be out of reach: a shell, the usual
 * small programs, Python's standard library, the Node that runs this, and the libraries that they need.
 *
 *   node scripts/engines/docker-image.ts [--folder F] [--name contrail-test:1]
 *
 * Nothing is done where an image of that name exists. The last line printed is the image's id.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ownFolder, socketOf } from "./docker-engine.ts";

export const TEST_IMAGE = "contrail-test:1";

const PROGRAMS = [
  ...["sh", "bash", "cat", "ls", "id", "sleep", "true", "false", "echo", "env", "head", "tail"],
  ...["mkdir", "rm", "cp", "mv", "touch", "stat", "dd", "setsid", "kill", "ps", "pwd", "getconf"],
  ...["python3"],
];

/** @returns the image's id, `sha256:…` */
export async function buildImage(socketPath: string, name: string = TEST_IMAGE): Promise<string> {
  const there = await inspected(socketPath, name);
  if (there !== undefined) return there;
  const root = mkdtempSync(join(tmpdir(), "contrail-image-"));
  try {
    fill(root);
    await load(socketPath, root, name);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const made = await inspected(socketPath, name);
  if (made === undefined) throw new Error(`${name} was imported and is not there`);
  return made;
}

function fill(root: string): void {
  for (const folder of ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "etc"])
    mkdirSync(join(root, folder), { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name));
  for (const folder of ["proc", "sys", "dev", "run", "root", "tmp", "var/tmp"])
    mkdirSync(join(root, folder), { recursive: true });
  execFileSync("chmod", ["1777", join(root, "tmp"), join(root, "var/tmp")]);
  writeFileSync(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
  );
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  writeFileSync(join(root, "etc/os-release"), 'PRETTY_NAME="Contrail test image"\n');
  const put = (path: string, at = path): void => {
    mkdirSync(join(root, dirname(at)), { recursive: true });
    if (!existsSync(join(root, at))) copyFileSync(realpathSync(path), join(root, at));
    for (const library of librariesOf(path))
      put(library, `${realpathSync(dirname(library))}/${basename(library)}`);
  };
  for (const name of PROGRAMS) {
    const path = found(name);
    if (path !== undefined) put(path, `/usr/bin/${name}`);
  }
  put(process.execPath, "/usr/local/bin/node");
  const ask = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
  const library = execFileSync("/usr/bin/python3", ["-c", ask], { encoding: "utf8" }).trim();
  copyLibrary(library, root, put);
}

/** Python's own library without its tests and without what was installed beside it. */
function copyLibrary(folder: string, root: string, put: (path: string, at: string) => void): void {
  for (const entry of readdirSync(folder)) {
    if (
      /^(?:site-packages|dist-packages|test|__pycache__|idlelib|turtledemo|config-.*)$/.test(entry)
    )
      continue;
    const path = join(folder, entry);
    const found = lstatSync(path);
    if (found.isDirectory()) copyLibrary(path, root, put);
    else if (existsSync(path) && entry.endsWith(".so")) put(path, path);
    else if (existsSync(path)) {
      mkdirSync(join(root, folder), { recursive: true });
      copyFileSync(realpathSync(path), join(root, path));
    }
  }
}

const found = (name: string): string | undefined =>
  ["/usr/bin", "/bin", "/usr/local/bin"].map((folder) => join(folder, name)).find(existsSync);

function librariesOf(path: string): string[] {
  let text = "";
  try {
    text = execFileSync("ldd", [path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {} // A script, or linked with nothing.
  return [...text.matchAll(/(?:=> )?(\/\S+)(?: \(0x)/g)].map((match) => match[1] as string);
}

function inspected(socketPath: string, name: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: `/images/${encodeURIComponent(name)}/json` });
    asked.on("error", reject);
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { Id } = JSON.parse(Buffer.concat(chunks).toString()) as { Id?: string };
        resolve(response.statusCode === 200 ? Id : undefined);
      });
    });
    asked.end();
  });
}

function load(socketPath: string, root: string, name: string): Promise<void> {
  const [repo = "", tag = "latest"] = name.split(":");
  const query = new URLSearchParams({ fromSrc: "-", repo, tag });
  for (const change of ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "ENV LANG=C.UTF-8"])
    query.append("changes", change);
  const tar = spawn(
    "tar",
    ["-C", root, "--numeric-owner", "--owner=0", "--group=0", "-cf", "-", "."],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method: "POST", path: `/images/create?${query}` });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        response.statusCode === 200 && !/"error"/.test(text)
          ? resolve()
          : reject(new Error(`the image could not be imported: ${text}`)),
      );
    });
    tar.stdout.pipe(asked);
  });
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { folder: { type: "string" }, name: { type: "string", default: TEST_IMAGE } },
  });
  console.log(await buildImage(socketOf(values.folder ?? ownFolder()), values.name));
}
