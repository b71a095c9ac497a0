/** A server that speaks S3 and checks signatures: moto, where it can be had. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { ROOT, until } from "./support.ts";

/** The program; undefined where nobody installed it. */
export const moto = [
  process.env.CONTRAIL_TEST_MOTO_SERVER ?? "",
  join(ROOT, ".cache", "venv-moto", "bin", "moto_server"),
].find((path) => path !== "" && existsSync(path));
export const NO_MOTO =
  "no moto_server in .cache/venv-moto and none named by CONTRAIL_TEST_MOTO_SERVER";

export class S3Server implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  /** Of whoever may read. */
  environment: Record<string, string> = {};

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(program: string): Promise<S3Server> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = ["-H", "127.0.0.1", "-p", String(port)];
    const child = spawn(program, args, { stdio: "ignore" });
    const server = new S3Server(url, child);
    try {
      await until("the S3 server answers", async () =>
        fetch(`${url}/moto-api/`).then(
          () => true,
          () => false,
        ),
      );
      await server.#makeKey();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** While it runs nobody is asked for a signature; afterwards everybody. */
  async #open<T>(work: () => Promise<T>): Promise<T> {
    await this.#asked(1_000_000);
    try {
      return await work();
    } finally {
      await this.#asked(0);
    }
  }

  async #asked(unsigned: number): Promise<void> {
    await fetch(`${this.url}/moto-api/reset-auth`, { method: "POST", body: String(unsigned) });
  }

  async put(bucket: string, objects: Readonly<Record<string, string>>): Promise<void> {
    await this.#open(async () => {
      await answered(await fetch(`${this.url}/${bucket}`, { method: "PUT" }));
      for (const [key, body] of Object.entries(objects)) {
        const path = key.split("/").map(encodeURIComponent).join("/");
        const headers = { authorization: authorization("s3") };
        await answered(
          await fetch(`${this.url}/${bucket}/${path}`, { method: "PUT", body, headers }),
        );
      }
    });
  }

  /** A user who may read everything, as IAM makes one. */
  async #makeKey(): Promise<void> {
    await this.#open(async () => {
      const UserName = "reader";
      const reading = { Effect: "Allow", Action: ["s3:Get*", "s3:List*"], Resource: "*" };
      const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [reading] });
      await this.#iam({ Action: "CreateUser", UserName });
      await this.#iam({ Action: "PutUserPolicy", UserName, PolicyName: "read", PolicyDocument });
      const made = await this.#iam({ Action: "CreateAccessKey", UserName });
      const of = (name: string): string =>
        new RegExp(`<${name}>([^<]+)</${name}>`).exec(made)?.[1] ?? "";
      this.environment = {
        AWS_ENDPOINT_URL_S3: this.url,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: of("AccessKeyId"),
        AWS_SECRET_ACCESS_KEY: of("SecretAccessKey"),
      };
    });
  }

  async #iam(fields: Record<string, string>): Promise<string> {
    const headers = { authorization: authorization("iam") };
    const body = new URLSearchParams({ Version: "2010-05-08", ...fields });
    return await answered(await fetch(this.url, { method: "POST", headers, body }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode !== null || !this.#child.kill("SIGKILL")) return;
    await gone;
  }
}

/** Says which service is meant; looked at by nobody while no signatures are asked for. */
const authorization = (service: string): string =>
  `AWS4-HMAC-SHA256 Credential=root/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

async function answered(response: Response): Promise<string> {
  const text = await response.text();
  if (response.ok || response.status === 409) return text;
  throw new Error(`${response.status}: ${text.slice(0, 500)}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
