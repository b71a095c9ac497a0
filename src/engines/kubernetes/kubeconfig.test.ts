import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { Credentials } from "./credentials.ts";
import { readClusterAccess } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
const config = (user: object = {}, cluster: object = {}) => ({
  "current-context": "here",
  contexts: [
    { name: "here", context: { cluster: "c", user: "u", namespace: "train" } },
    { name: "elsewhere", context: { cluster: "missing", user: "u" } },
  ],
  clusters: [{ name: "c", cluster: { server: "https://k8s.example.org:6443/base", ...cluster } }],
  users: [{ name: "u", user }],
});
const read = (kubeconfig: string | null, environment: NodeJS.ProcessEnv = {}, context?: string) =>
  readClusterAccess({ kubeconfig, context: context ?? null, environment });

test("a context is read with what it names, and files from the folder of the kubeconfig", () => {
  file("key.pem", "the key");
  const user = {
    "client-certificate-data": Buffer.from("the cert").toString("base64"),
    "client-key": "key.pem",
  };
  const access = read(file("a.yaml", config(user, { "tls-server-name": "inner" })));
  assert.equal(access.server.href, "https://k8s.example.org:6443/base");
  assert.deepEqual(access.certificate, { cert: "the cert", key: "the key" });
  assert.deepEqual(
    [access.namespace, access.serverName, access.insecure],
    ["train", "inner", false],
  );
});

test("several files are one, and the first that names something wins", () => {
  const first = file("one.yaml", {
    "current-context": "here",
    users: [{ name: "u", user: { token: "first" } }],
  });
  const second = file("two.yaml", config({ token: "second" }));
  const access = read(null, { KUBECONFIG: `${first}:${join(folder, "not-there")}:${second}` });
  assert.equal(access.token, "first");
});

test("what cannot be read or is not served is said with its place", () => {
  const faults: readonly [string, RegExp][] = [
    [file("b1.yaml", "a: [1"), /b1\.yaml is no YAML/],
    [file("b2.yaml", {}), /b2\.yaml names no current-context/],
    [file("b3.yaml", config({ "auth-provider": { name: "gcp" } })), /auth-provider is not served/],
    [file("b4.yaml", config({}, { "proxy-url": "socks5://x" })), /proxy-url is not served/],
    [
      file("b5.yaml", config({ "client-key": "no.pem", "client-certificate": "no.pem" })),
      /no\.pem, which cannot be read/,
    ],
    [file("b6.yaml", config({}, { server: "not a url" })), /"not a url", and no URL/],
    [join(folder, "nowhere.yaml"), /no kubeconfig was found/],
  ];
  for (const [path, pattern] of faults) assert.throws(() => read(path), pattern);
  const path = file("b7.yaml", config());
  assert.throws(() => read(path, {}, "other"), /no context "other". There is: here, elsewhere/);
  assert.throws(() => read(path, {}, "elsewhere"), /the cluster "missing", which is not there/);
});

test("in a pod the service account is taken, where no kubeconfig is", async () => {
  const serviceAccount = join(folder, "account");
  mkdirSync(serviceAccount);
  const put = (name: string, text: string) => writeFileSync(join(serviceAccount, name), text);
  put("namespace", "train\n");
  put("ca.crt", "the ca");
  put("token", "one\n");
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", HOME: folder };
  const access = readClusterAccess({
    kubeconfig: null,
    context: null,
    environment,
    serviceAccount,
  });
  assert.equal(access.server.href, "https://[fd00::1]/");
  assert.deepEqual([access.namespace, access.ca], ["train", "the ca"]);
  const credentials = new Credentials(access, realClock, {});
  assert.equal((await credentials.shown()).authorization, "Bearer one");
  put("token", "two");
  assert.equal((await credentials.shown()).authorization, "Bearer two", "the kubelet exchanges it");
});

test("a program that gives out credentials is asked once, and again when they run out or are refused", async () => {
  const counter = join(folder, "asked");
  const program = file(
    "give.mjs",
    `import { appendFileSync, readFileSync } from "node:fs";
     appendFileSync(process.env.COUNTER, "x");
     const { kind } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
     const count = readFileSync(process.env.COUNTER, "utf8").length;
     const expirationTimestamp = new Date(Number(process.argv[2])).toISOString();
     console.log(JSON.stringify({ kind, status: { token: "t" + count, expirationTimestamp } }));`,
  );
  let nowMs = 1_000_000_000_000;
  const clock = { ...realClock, nowMs: () => nowMs };
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: process.execPath,
    args: [program, String(nowMs + 60_000)],
    env: [{ name: "COUNTER", value: counter }],
  };
  const credentials = new Credentials(read(file("e.yaml", config({ exec }))), clock, process.env);
  const both = await Promise.all([credentials.shown(), credentials.shown()]);
  assert.deepEqual(
    both.map(({ authorization }) => authorization),
    ["Bearer t1", "Bearer t1"],
  );
  nowMs += 49_000;
  assert.equal((await credentials.shown()).authorization, "Bearer t1");
  nowMs += 2000;
  assert.equal((await credentials.shown()).authorization, "Bearer t2");
  assert.ok(credentials.forget());
  assert.equal((await credentials.shown()).authorization, "Bearer t3");
});

test("a program that fails is named, with its own words and the hint of the kubeconfig", async () => {
  const exec = { command: "./no-such-program", installHint: "Install it from example.org." };
  const access = read(file("f.yaml", config({ exec })));
  await assert.rejects(
    new Credentials(access, realClock, {}).shown(),
    (error: Error) =>
      error.message.includes(join(folder, "no-such-program")) &&
      error.message.includes("Install it from example.org."),
  );
});
