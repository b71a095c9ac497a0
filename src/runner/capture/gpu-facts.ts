/** The GPUs of the machine and their driver, as nvidia-smi tells; asked once in a while, because it can take a second. */
import { whyNoGpu } from "../../engines/local/nvidia-smi.ts";
import type { RecordFields, RecordPart } from "../../protocol/record-part.ts";
import { ask } from "./ask.ts";

const LIMIT_MS = 10_000;
const FIELDS = [
  "index",
  "name",
  "uuid",
  "memory.total",
  "driver_version",
  "vbios_version",
  "mig.mode.current",
];

/** @param env of the runner, not of a program: what is hidden from that is still there */
export async function gpuFacts(env: Readonly<Record<string, string>>): Promise<RecordPart> {
  const query = ["nvidia-smi", `--query-gpu=${FIELDS.join(",")}`, "--format=csv,noheader,nounits"];
  const asked = { env, folder: "/", limitMs: LIMIT_MS };
  try {
    const [list, head] = await Promise.all([
      ask({ ...asked, command: query }),
      ask({ ...asked, command: ["nvidia-smi"] }).catch(() => ""),
    ]);
    const fields = readGpus(list, head);
    if (fields !== undefined) return { captured: { gpu: fields }, not_applicable: [], missing: [] };
    return none("nvidia-smi lists none");
  } catch (error) {
    const { message } = error as Error;
    const why = whyNoGpu(message);
    if (why !== undefined) return none(why);
    return {
      ...{ captured: {}, not_applicable: [] },
      missing: [{ what: "gpu", why: `nvidia-smi could not be asked: ${message}` }],
    };
  }
}

const none = (why: string): RecordPart => ({
  ...{ captured: {}, missing: [] },
  not_applicable: [{ what: "gpu", why }],
});

/** @param list lines of the fields above @param head what nvidia-smi prints by itself: the CUDA version stands only there */
export function readGpus(list: string, head: string): RecordFields | undefined {
  const rows = list
    .split("\n")
    .map((line) => line.split(",").map((cell) => cell.trim()))
    .filter((cells) => cells.length >= FIELDS.length);
  if (rows.length === 0) return undefined;
  const cuda = /CUDA Version:\s*([0-9.]+)/.exec(head)?.[1];
  const fields: Record<string, string | number> = {
    devices: rows.length,
    driver: rows[0]?.[4] ?? "",
    ...(cuda === undefined ? {} : { cuda }),
  };
  for (const [index = "", name = "", uuid = "", memory = "", , vbios = "", mig = ""] of rows) {
    fields[`${index}.model`] = name;
    fields[`${index}.uuid`] = uuid;
    fields[`${index}.memory_mib`] = Number(memory);
    fields[`${index}.vbios`] = vbios;
    if (/enabled/i.test(mig)) fields[`${index}.mig`] = mig;
  }
  return fields;
}
