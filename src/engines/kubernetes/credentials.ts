/**
 * What is shown to the API server with each request, and to its TLS: kept until it runs out or is refused, and asked for anew
 * then. A file of a token is read every time: the kubelet exchanges it without telling anybody.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import { EngineUnreachable } from "../job-engine.ts";
import type { ClusterAccess, ExecPlugin } from "./kubeconfig.ts";

export interface Shown {
  /** The header's value. */
  readonly authorization: string | undefined;
  readonly certificate: { readonly cert: string; readonly key: string } | undefined;
}

const PROGRAM_TIMEOUT_MS = 60_000;
/** A token that runs out on its way is no use. */
const EARLY_MS = 10_000;

export class Credentials {
  readonly #access: ClusterAccess;
  readonly #clock: Clock;
  readonly #environment: NodeJS.ProcessEnv;
  #kept: { readonly shown: Shown; readonly untilMs: number } | undefined;
  #asking: Promise<Shown> | undefined;

  constructor(access: ClusterAccess, clock: Clock, environment: NodeJS.ProcessEnv) {
    this.#access = access;
    this.#clock = clock;
    this.#environment = environment;
  }

  /** @throws EngineUnreachable */
  async shown(): Promise<Shown> {
    const { exec, token, tokenFile, basic, certificate } = this.#access;
    if (tokenFile !== undefined) return { authorization: `Bearer ${read(tokenFile)}`, certificate };
    if (token !== undefined) return { authorization: `Bearer ${token}`, certificate };
    if (basic !== undefined) {
      const pair = Buffer.from(`${basic.user}:${basic.password}`).toString("base64");
      return { authorization: `Basic ${pair}`, certificate };
    }
    if (exec === undefined) return { authorization: undefined, certificate };
    if (this.#kept !== undefined && this.#clock.nowMs() < this.#kept.untilMs)
      return this.#kept.shown;
    this.#asking ??= this.#ask(exec).finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  /** They were refused: the program is asked again. @returns whether that could change anything */
  forget(): boolean {
    this.#kept = undefined;
    return this.#access.exec !== undefined;
  }

  async #ask(exec: ExecPlugin): Promise<Shown> {
    const status = await runPlugin(exec, this.#environment);
    const { token, clientCertificateData: cert, clientKeyData: key } = status;
    const shown = {
      authorization: token === undefined ? undefined : `Bearer ${token}`,
      certificate: cert === undefined || key === undefined ? undefined : { cert, key },
    };
    if (shown.authorization === undefined && shown.certificate === undefined)
      throw new EngineUnreachable(`${exec.command} printed neither a token nor a certificate`);
    const until = Date.parse(status.expirationTimestamp ?? "");
    const untilMs = Number.isNaN(until) ? Number.POSITIVE_INFINITY : until - EARLY_MS;
    this.#kept = { shown, untilMs };
    return shown;
  }
}

interface ExecStatus {
  readonly token?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly expirationTimestamp?: string;
}

function runPlugin(exec: ExecPlugin, environment: NodeJS.ProcessEnv): Promise<ExecStatus> {
  const { apiVersion, command, cluster } = exec;
  const info = {
    kind: "ExecCredential",
    apiVersion,
    spec: { interactive: false, ...(cluster === undefined ? {} : { cluster }) },
  };
  const env = { ...environment, ...exec.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  return new Promise((resolve, reject) => {
    const fail = (text: string) =>
      reject(
        new EngineUnreachable(
          `the program that gives out credentials failed (${command}): ${text.trim().slice(0, 500)}` +
            (exec.installHint === undefined ? "" : `\n${exec.installHint.trim()}`),
        ),
      );
    const options = { env, timeout: PROGRAM_TIMEOUT_MS, maxBuffer: 1024 * 1024 };
    const child = execFile(command, [...exec.args], options, (error, stdout, stderr) => {
      if (error !== null) return fail(stderr || error.message);
      try {
        const answer = JSON.parse(stdout) as { kind?: string; status?: ExecStatus };
        if (answer.kind !== "ExecCredential" || answer.status === undefined)
          return fail("it printed no ExecCredential");
        resolve(answer.status);
      } catch {
        fail("what it printed is no JSON");
      }
    });
    child.stdin?.end();
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new EngineUnreachable(
      `the file of the token cannot be read: ${(error as Error).message}`,
    );
  }
}
