import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConfig } from "../protocol/config/config.ts";
import { ContrailError } from "../protocol/errors.ts";
import { refuseContainersElsewhere } from "./container-demands.ts";
import { SealedLogins, withoutLogin } from "./sealed-logins.ts";
import { toLaunchSettings } from "./translate.ts";

const folder = mkdtempSync(join(tmpdir(), "contrail-logins-"));
after(() => rmSync(folder, { recursive: true }));
const logins = new SealedLogins(join(folder, "logins"), Buffer.alloc(32, 7));

const read = (text: string) => {
  const reading = readConfig(text);
  assert.ok(reading.ok, JSON.stringify(reading));
  return { config: reading.config, text };
};
const TEXT = [
  "# trains",
  "entrypoint: train",
  "environment:",
  "  image: {cpu: 'team/train:3', gpu: 'team/train-cuda:3'} # ours",
  "  registry_auth: {username: ada, password: hunter2hunter2}",
  "resources: {shm_size: 1g, devices: ['/dev/null:/dev/x']}",
  "bind_mounts: [{host_path: /big, container_path: big, read_only: true}]",
].join("\n");

test("a login leaves the configuration for a file of its own, and comes back at the start of a trial alone", () => {
  const { config, text } = withoutLogin(read(TEXT), logins);
  assert.ok(!text.includes("hunter2") && !JSON.stringify(config).includes("hunter2"));
  assert.match(text, /^# trains$/m);
  assert.match(text, /# ours$/m);
  const again = withoutLogin(read(text), logins);
  assert.deepEqual(again.config, config, "a copy of it is the same, and is accepted");
  const [file = ""] = readdirSync(join(folder, "logins"));
  assert.equal(statSync(join(folder, "logins", file)).mode & 0o077, 0);
  const open = (name: string) => logins.open(name);
  const launch = toLaunchSettings(config as never, open).container("cuda");
  assert.deepEqual(launch?.registry_auth, { username: "ada", password: "hunter2hunter2" });
  assert.deepEqual([launch?.image, launch?.shm_bytes], ["team/train-cuda:3", 1024 ** 3]);
  assert.equal(toLaunchSettings(config as never, open).container("cpu")?.image, "team/train:3");
  assert.deepEqual(launch?.devices, [{ host: "/dev/null", inside: "/dev/x", mode: "mrw" }]);
});

test("a login behind an anchor is taken out as well", () => {
  const text = [
    "entrypoint: train",
    "data: {other: &login {username: ada, password: hunter2hunter2}}",
    "environment: {image: x, registry_auth: *login}",
  ].join("\n");
  const bare = withoutLogin(read(text), logins);
  const { data: _, ...rest } = bare.config;
  assert.ok(!JSON.stringify(rest).includes("hunter2"));
});

test("a name that means nothing here is refused, with what to do", () => {
  const stranger = read(
    `entrypoint: train\nenvironment: {image: x, registry_auth: {sealed: ${"ab".repeat(32)}}}\n`,
  );
  assert.throws(() => withoutLogin(stranger, logins), /was sealed by another server/);
});

const LOCAL = { name: "here", engine: "local" } as const;
const DOCKER = { name: "boxes", engine: "docker" } as const;
const refused = (text: string, pool: typeof LOCAL | typeof DOCKER): ContrailError | undefined => {
  try {
    refuseContainersElsewhere(read(text).config, pool, [LOCAL, DOCKER]);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ContrailError);
    return error;
  }
};

test("what only a container can have is refused where trials are processes, and the pool that could is named", () => {
  const error = refused(TEXT, LOCAL);
  assert.deepEqual(
    error?.issues?.map(({ path }) => path),
    [
      ".environment.image",
      ".environment.registry_auth",
      ".bind_mounts",
      ".resources.shm_size",
      ".resources.devices",
    ],
  );
  assert.match(error?.hint ?? "", /resource_pool: boxes/);
  assert.ok(!JSON.stringify(error?.issues).includes("hunter2"));
  assert.equal(refused(TEXT, DOCKER), undefined);
  assert.equal(refused("entrypoint: train\nbind_mounts: []\n", LOCAL), undefined);
});

test("a pool of containers wants an image", () => {
  assert.match(
    refused("entrypoint: train\n", DOCKER)?.message ?? "",
    /\.environment\.image is missing/,
  );
});
