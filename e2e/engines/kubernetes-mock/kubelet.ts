/**
 * One node's kubelet: runs the pods that were placed on its node, tells how they do, and ends those that were told to go, with
 * their grace. Without power it does nothing, and nobody hears why.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseQuantity } from "../../../src/engines/kubernetes/quantity.ts";
import { type MemoryCgroup, memoryCgroup } from "../../faults/cgroup.ts";
import { CannotRun } from "../../faults/row.ts";
import { Container, type Mount } from "./containers.ts";
import { now, type Store, type Stored, setCondition } from "./store.ts";

export interface Image {
  /** Why it cannot be pulled, in a registry's words. */
  readonly missing?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface KubeletOptions {
  readonly store: Store;
  readonly node: string;
  readonly folder: string;
  readonly image: (name: string) => Image;
  /** Of every container, beside its own. */
  readonly env: Readonly<Record<string, string>>;
  readonly newAddress: () => string;
}

interface Running {
  readonly pod: Stored;
  readonly folder: string;
  readonly containers: Map<string, Container>;
  cgroup: MemoryCgroup | undefined;
  /** Its deletion was heard of. */
  leaving: boolean;
}

type Fields = Stored["spec"];

/** A kubelet looks at its containers about once a second; so a pod is there for a moment after its end. */
const REMOVE_AFTER_MS = 300;
const PULL_AGAIN_MS = 200;

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #running = new Map<string, Running>();
  hasPower = true;

  constructor(options: KubeletOptions) {
    this.#options = options;
  }

  /** Something of this pod is not as it was. */
  look(pod: Stored): void {
    if (!this.hasPower || pod.spec.nodeName !== this.#options.node) return;
    const running = this.#running.get(pod.metadata.uid);
    if (running === undefined) {
      if (pod.metadata.deletionTimestamp !== undefined) this.#remove(pod);
      else if (!isOver(pod)) this.#start(pod);
    } else if (pod.metadata.deletionTimestamp !== undefined && !running.leaving) {
      running.leaving = true;
      this.#end(pod, running);
    }
  }

  /** It is gone from the API, by force. */
  drop(pod: Stored): void {
    for (const container of this.#running.get(pod.metadata.uid)?.containers.values() ?? [])
      container.kill();
  }

  powerOff(): void {
    this.hasPower = false;
    for (const { containers } of this.#running.values())
      for (const container of containers.values()) container.kill();
    this.#running.clear();
  }

  powerOn(): void {
    this.hasPower = true;
    const mine = this.#options.store
      .list("pods")
      .filter(({ spec }) => spec.nodeName === this.#options.node);
    for (const pod of mine)
      if (pod.metadata.deletionTimestamp !== undefined) this.#remove(pod);
      else if (!isOver(pod))
        this.#tell(pod, ({ status }) => {
          status.phase = "Failed";
          status.reason = "NodeLost";
          status.message = "the node was started again";
        });
  }

  /** The node runs short of something: this pod is ended, and stays as it ended. */
  async evict(pod: Stored, message: string): Promise<void> {
    const running = this.#running.get(pod.metadata.uid);
    this.#tell(pod, (next) => {
      setCondition(next, "DisruptionTarget", "True", "TerminationByKubelet", message);
      next.status.reason = "Evicted";
      next.status.message = message;
    });
    for (const container of running?.containers.values() ?? []) container.signal("SIGTERM");
    const graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    const timer = setTimeout(() => this.drop(pod), graceMs);
    await Promise.all([...(running?.containers.values() ?? [])].map(({ ended }) => ended));
    clearTimeout(timer);
  }

  /** Where a container's first process is. */
  firstOf(pod: Stored, container: string): number | undefined {
    return this.#running.get(pod.metadata.uid)?.containers.get(container)?.first;
  }

  logOf(pod: Stored, container: string): string {
    return join(this.#folderOf(pod), `${container}.log`);
  }

  #folderOf = (pod: Stored): string => join(this.#options.folder, pod.metadata.uid);

  /** @param change of the status, which is there */
  #tell(pod: Stored, change: (next: Stored) => void): Stored | undefined {
    return this.hasPower
      ? this.#options.store.change("pods", pod, (next) => {
          next.status ??= {};
          change(next);
        })
      : undefined;
  }

  #state(pod: Stored, container: string, state: object): void {
    this.#tell(pod, ({ spec, status }) => {
      const known = new Map(
        (status.containerStatuses ?? []).map((one: { name: string }) => [one.name, one]),
      );
      status.containerStatuses = spec.containers.map(({ name, image }: Fields) => ({
        ...{ name, image, restartCount: 0, imageID: "", ready: "running" in state },
        ...(name === container
          ? { state }
          : (known.get(name) ?? { state: { waiting: { reason: "ContainerCreating" } } })),
      }));
    });
  }

  #start(pod: Stored): void {
    const running: Running = {
      ...{ pod, folder: this.#folderOf(pod), containers: new Map() },
      ...{ leaving: false, cgroup: undefined },
    };
    this.#running.set(pod.metadata.uid, running);
    mkdirSync(join(running.folder, "volumes"), { recursive: true });
    const podIP = this.#options.newAddress();
    this.#tell(pod, ({ status }) => {
      Object.assign(status, { phase: "Pending", podIP, hostIP: "127.0.0.1", startTime: now() });
      status.podIPs = [{ ip: podIP }];
    });
    for (const container of pod.spec.containers)
      void this.#run(running, container, podIP).catch((error: Error) =>
        this.#state(pod, container.name, {
          waiting: { reason: "CreateContainerError", message: error.message },
        }),
      );
  }

  async #run(running: Running, container: Fields, podIP: string): Promise<void> {
    const { pod } = running;
    this.#state(pod, container.name, { waiting: { reason: "ContainerCreating" } });
    const image = await this.#pull(running, container);
    const mounts = image === undefined ? undefined : await this.#mounts(running, container);
    if (image === undefined || mounts === undefined || this.#isGone(running)) return;
    const env = this.#environment(pod, container, image, podIP);
    const expand = (text: string) => expanded(text, env);
    const argv = [...(container.command ?? ["sleep", "infinity"]), ...(container.args ?? [])];
    const made = new Container({
      hostname: pod.spec.hostname ?? pod.metadata.name,
      argv: argv.map(expand),
      workingDir: container.workingDir,
      ...{ env, mounts },
      log: join(running.folder, `${container.name}.log`),
      enter: this.#limit(running, container),
    });
    running.containers.set(container.name, made);
    const startedAt = now();
    if (await made.started)
      this.#tell(pod, ({ status }) => {
        status.phase = "Running";
      });
    this.#state(pod, container.name, { running: { startedAt } });
    const { exitCode, startError } = await made.ended;
    const wasKilled = running.cgroup !== undefined && running.cgroup.kills() > 0;
    const reason =
      startError !== undefined
        ? "StartError"
        : wasKilled && exitCode === 137
          ? "OOMKilled"
          : exitCode === 0
            ? "Completed"
            : "Error";
    const message = startError === undefined ? {} : { message: startError };
    const terminated = { exitCode, reason, ...message, startedAt, finishedAt: now() };
    this.#state(pod, container.name, { terminated });
    this.#perhapsOver(running);
  }

  #isGone({ pod }: Running): boolean {
    const current = this.#options.store.get("pods", pod.metadata.namespace, pod.metadata.name);
    return (
      !this.hasPower ||
      current?.metadata.uid !== pod.metadata.uid ||
      current.metadata.deletionTimestamp !== undefined
    );
  }

  /** As kubelets do, again and again, with both of the reasons that they tell in turn. */
  async #pull(running: Running, container: Fields): Promise<Image | undefined> {
    for (let tries = 0; !this.#isGone(running); tries += 1) {
      const image = this.#options.image(container.image);
      if (image.missing === undefined) return image;
      const reason = tries % 2 === 0 ? "ErrImagePull" : "ImagePullBackOff";
      const message =
        tries % 2 === 0
          ? `failed to pull and unpack image "${container.image}": ${image.missing}`
          : `Back-off pulling image "${container.image}"`;
      this.#state(running.pod, container.name, { waiting: { reason, message } });
      await new Promise((resolve) => setTimeout(resolve, PULL_AGAIN_MS));
    }
    return undefined;
  }

  async #mounts(running: Running, container: Fields): Promise<Mount[] | undefined> {
    const { pod, folder } = running;
    const hosts = join(folder, "hosts");
    writeFileSync(hosts, this.#hosts(pod));
    const mounts: Mount[] = [{ from: hosts, to: "/etc/hosts", readOnly: false }];
    for (const { name, mountPath, readOnly = false } of container.volumeMounts ?? []) {
      const volume = pod.spec.volumes.find((one: Fields) => one.name === name);
      const from = volume.hostPath?.path ?? join(folder, "volumes", name);
      mkdirSync(from, { recursive: true });
      if (volume.secret !== undefined) {
        const secret = await this.#secret(running, volume.secret.secretName);
        if (secret === undefined) return undefined;
        for (const [key, value] of Object.entries((secret.data ?? {}) as Record<string, string>))
          writeFileSync(join(from, key), Buffer.from(value, "base64"));
      }
      mounts.push({ from, to: mountPath, readOnly: readOnly || volume.secret !== undefined });
    }
    return mounts;
  }

  async #secret(running: Running, name: string): Promise<Stored | undefined> {
    while (!this.#isGone(running)) {
      const { namespace } = running.pod.metadata;
      const found = this.#options.store.get("secrets", namespace, name);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, PULL_AGAIN_MS));
    }
    return undefined;
  }

  /** This machine's names, and those that the cluster's DNS would know: of pods behind headless services. */
  #hosts(pod: Stored): string {
    const { namespace } = pod.metadata;
    const names = this.#options.store
      .list("pods", namespace)
      .filter(({ spec, status }) => spec.subdomain && status?.podIP)
      .map(({ spec, status }) => {
        const name = `${spec.hostname}.${spec.subdomain}.${namespace}.svc`;
        return `${status.podIP} ${name} ${name}.cluster.local`;
      });
    return `${readFileSync("/etc/hosts", "utf8")}\n${names.join("\n")}\n`;
  }

  /** Somebody has an address by now: written into the same files, which are mounted. */
  refreshHosts(): void {
    if (!this.hasPower) return;
    for (const { pod, folder, containers } of this.#running.values())
      if (containers.size > 0) writeFileSync(join(folder, "hosts"), this.#hosts(pod));
  }

  #environment(pod: Stored, container: Fields, image: Image, podIP: string) {
    const env: Record<string, string> = {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOSTNAME: pod.spec.hostname ?? pod.metadata.name,
      HOME: "/tmp",
      KUBERNETES_SERVICE_HOST: "10.96.0.1",
      ...this.#options.env,
      ...image.env,
    };
    const fields: Record<string, string> = {
      "status.podIP": podIP,
      "metadata.name": pod.metadata.name,
      "spec.nodeName": pod.spec.nodeName,
    };
    for (const { name, value, valueFrom } of container.env ?? [])
      env[name] =
        valueFrom === undefined
          ? expanded(value ?? "", env)
          : (fields[valueFrom.fieldRef?.fieldPath] ?? "");
    return env;
  }

  #limit(running: Running, container: Fields): readonly string[] {
    const limit = parseQuantity(String(container.resources?.limits?.memory ?? ""));
    if (limit === undefined) return [];
    try {
      running.cgroup = memoryCgroup(limit, running.pod.metadata.uid);
    } catch (error) {
      // Then memory is asked for and limits nothing.
      if (error instanceof CannotRun) return [];
      throw error;
    }
    return running.cgroup.enter;
  }

  #end(pod: Stored, running: Running): void {
    for (const container of running.containers.values()) container.signal("SIGTERM");
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    const timer = setTimeout(() => this.drop(pod), graceMs);
    void Promise.all([...running.containers.values()].map(({ ended }) => ended)).then(() => {
      clearTimeout(timer);
      setTimeout(() => this.#remove(pod), REMOVE_AFTER_MS);
    });
  }

  #remove(pod: Stored): void {
    if (!this.hasPower) return;
    this.#options.store.remove("pods", pod);
    this.forget(pod);
  }

  forget(pod: Stored): void {
    this.#running.delete(pod.metadata.uid);
    rmSync(this.#folderOf(pod), { recursive: true, force: true });
  }

  /** When the last of its containers has ended. */
  #perhapsOver(running: Running): void {
    try {
      running.cgroup?.[Symbol.dispose]();
    } catch {} // Its last process is not collected yet; the next who makes one clears it away.
    running.cgroup = undefined;
    this.#tell(running.pod, ({ status }) => {
      const states: Fields[] = (status.containerStatuses ?? []).map((one: Fields) => one.state);
      if (states.some(({ terminated }) => terminated === undefined)) return;
      const good = states.every(({ terminated }) => terminated.exitCode === 0);
      status.phase = good && status.reason !== "Evicted" ? "Succeeded" : "Failed";
    });
  }
}

const isOver = ({ status }: Stored): boolean => ["Succeeded", "Failed"].includes(status?.phase);

/** `$(NAME)` and `$$` as Kubernetes reads them. */
const expanded = (text: string, env: Readonly<Record<string, string>>): string =>
  text.replace(/\$\$|\$\(([^)]*)\)/g, (found, name?: string) =>
    found === "$$" ? "$" : ((name === undefined ? undefined : env[name]) ?? found),
  );
