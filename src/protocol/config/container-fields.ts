/**
 * What an experiment may say of the containers that its trials run in. In a pool whose trials are processes nothing of it
 * could be true, so a submission there is refused.
 */
import * as z from "zod";
import { faultsOfOverlay } from "../pod-spec.ts";
import { bytesOf, SIZE } from "./size.ts";

const orNull = <T extends z.ZodType>(schema: T) => schema.nullable().default(null);
const list = <T extends z.ZodType>(items: T) => z.array(items).default(() => []);

const path = z.string().regex(/^\/[^\0]{0,4095}$/, "an absolute path");

const imageName = z
  .string()
  .regex(
    /^[A-Za-z0-9][^\s\0]{0,511}$/,
    "the name of an image, such as pytorch/pytorch:2.4.0 or team/train@sha256:…",
  );

const image = z.union(
  [
    imageName,
    z
      .strictObject({
        cpu: imageName.optional(),
        cuda: imageName.optional(),
        rocm: imageName.optional(),
        gpu: imageName.optional(),
      })
      .transform(({ gpu, ...kinds }) => (gpu === undefined ? kinds : { cuda: gpu, ...kinds })),
  ],
  { error: "the name of an image, or a map of cpu and cuda to names" },
);

/** Docker's names, with or without CAP_ in front. */
const capability = z
  .string()
  .regex(/^(?:CAP_)?[A-Z][A-Z0-9_]{1,40}$/, "a capability such as NET_RAW");

const word = (meaning: string) => z.string().max(16_384).optional().describe(meaning);

/** As written; kept apart from the configuration at submission, which from then on has `sealed` in its place. */
const registryAuth = z.strictObject({
  username: word("Who logs in."),
  password: word("A secret."),
  auth: word("Both in one, as Docker keeps it. A secret."),
  email: word("Some old registries ask for it."),
  serveraddress: word("The registry; left out, the one in the image's name."),
  identitytoken: word("In place of the two. A secret."),
  registrytoken: word("In place of the two. A secret."),
  sealed: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "what the server put in place of a login")
    .optional()
    .describe("Put here by the server in place of all the others; not written by hand."),
});
export type RegistryAuth = z.output<typeof registryAuth>;

/** Every fault of it at once, each at its place. */
export const podSpec = z.record(z.string(), z.json()).superRefine((overlay, context) => {
  for (const { path, must } of faultsOfOverlay(overlay))
    context.addIssue({ code: "custom", path: [...path], message: must });
});

export const containerEnvironment = {
  image: orNull(image).describe(
    "Image that trials run in, in a pool of containers; a map chooses by what the slots are (cpu, cuda). The record has what the name stood for.",
  ),
  force_pull_image: z
    .boolean()
    .default(false)
    .describe(
      "true: the registry is asked before each start, also where an image of that name is here.",
    ),
  registry_auth: orNull(registryAuth).describe(
    "Login at the registry of the image: username and password, or a token. The server takes it out of the configuration, and shows it nowhere.",
  ),
  add_capabilities: list(capability).describe(
    "Rights of the container beyond the usual, by Docker's names.",
  ),
  drop_capabilities: list(capability).describe("Rights that it does not get; ALL for all."),
  pod_spec: orNull(podSpec).describe(
    "In a pool of Kubernetes: laid over the pods of a trial, metadata and spec, as Kubernetes lays a patch. docs/kubernetes.md says what may not be set.",
  ),
};

const device = z.union(
  [
    z
      .string()
      .regex(
        /^\/[^:]+:\/[^:]+(?::[rwm]{1,3})?$/,
        "HOST:CONTAINER or HOST:CONTAINER:MODE, both absolute",
      )
      .transform((text) => {
        const [host_path = "", container_path = "", mode = "mrw"] = text.split(":");
        return { host_path, container_path, mode };
      }),
    z.strictObject({
      host_path: path,
      container_path: path,
      mode: z
        .string()
        .regex(/^[rwm]{1,3}$/, "letters of r, w and m")
        .default("mrw"),
    }),
  ],
  { error: "HOST:CONTAINER:MODE, or a map of host_path, container_path and mode" },
);

const size = z.union(
  [
    z.int().min(0),
    z
      .string()
      .regex(SIZE, "a size such as 512m or 4GiB")
      .transform((text) => bytesOf(text)!),
  ],
  { error: "a number of bytes, or a size such as 512m or 4GiB" },
);

export const containerResources = {
  shm_size: orNull(size).describe(
    "Shared memory (/dev/shm) of a trial's container: bytes, or 512m, 4GiB. Left out: 4 GiB.",
  ),
  devices: list(device).describe(
    "Devices of the machine that the container gets: HOST:CONTAINER:MODE, or a map of host_path, container_path, mode.",
  ),
};

export const bindMounts = list(
  z.strictObject({
    host_path: path,
    container_path: z.string().regex(/^(?!\.$)[^\0]{1,4096}$/, "a path other than ."),
    read_only: z.boolean().default(false),
    propagation: z
      .enum(["rprivate", "private", "rshared", "shared", "rslave", "slave"])
      .default("rprivate"),
  }),
).describe(
  "Folders and files of the machine that a trial's container has, too. A relative container_path lies below the code.",
);
