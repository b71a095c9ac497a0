/**
 * Whether the run is inside a container, and of which image. From inside only few engines tell the image; whoever starts
 * the container can say it in CONTRAIL_CONTAINER_IMAGE, best with its digest.
 */
import { existsSync } from "node:fs";
import type { RecordPart } from "../../protocol/record-part.ts";
import { readText } from "./machine-facts.ts";

export const IMAGE_VARIABLE = "CONTRAIL_CONTAINER_IMAGE";

/** @param env of the runner @param read for tests */
export function containerFacts(
  env: Readonly<Record<string, string | undefined>>,
  read: (path: string) => string | undefined = readText,
  exists: (path: string) => boolean = existsSync,
): RecordPart {
  const podman = read("/run/.containerenv");
  const word = (name: string): string | undefined =>
    new RegExp(`^${name}="([^"]+)"$`, "m").exec(podman ?? "")?.[1];
  const groups = read("/proc/1/cgroup") ?? "";
  const engine =
    podman !== undefined
      ? "podman"
      : exists("/.dockerenv") || /\/docker[/-]/.test(groups)
        ? "docker"
        : env.KUBERNETES_SERVICE_HOST !== undefined
          ? "kubernetes"
          : (env.APPTAINER_CONTAINER ?? env.SINGULARITY_CONTAINER) !== undefined
            ? "apptainer"
            : /\/(?:kubepods|containerd|lxc|crio)/.test(groups)
              ? "container"
              : undefined;
  if (engine === undefined && env[IMAGE_VARIABLE] === undefined)
    return {
      ...{ captured: {}, missing: [] },
      not_applicable: [{ what: "container", why: "it does not run in a container" }],
    };
  const image =
    env[IMAGE_VARIABLE] ?? word("image") ?? env.APPTAINER_CONTAINER ?? env.SINGULARITY_CONTAINER;
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(image ?? "")?.[1] ?? word("imageid");
  return {
    captured: {
      container: {
        engine: engine ?? "told by its variable",
        ...(image === undefined ? {} : { image }),
        ...(digest === undefined ? {} : { digest }),
      },
    },
    not_applicable: [],
    missing:
      digest !== undefined
        ? []
        : [
            {
              what: "container.digest",
              why: `it runs in a container (${engine}), and from inside the image's digest is not to be seen. Start the server with ${IMAGE_VARIABLE}=NAME@sha256:…`,
            },
          ],
  };
}
