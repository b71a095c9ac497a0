/** What a refusal of the API means for a job: about what we sent, now or for ever, or about nothing that any job could help. */
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { ApiFault } from "./api.ts";
import { parseQuantity } from "./quantity.ts";

/**
 * @param options.pods how many of one kind the job has; a quota speaks of each
 * @throws JobRefused where it is about what we sent; JobDeferred where what others have is in its way;
 *   EngineUnreachable where it tells nothing about any job
 */
export async function translated<T>(
  what: string,
  work: () => Promise<T>,
  { pods = 1 }: { readonly pods?: number } = {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiFault)) throw error;
    const said = `${what}: Kubernetes says ${error.code} ${error.reason}: ${error.message}`;
    if (isOverQuota(error) && !isTooLargeAlone(error.message, pods)) throw new JobDeferred(said);
    if (isOfSent(error) && ([400, 422].includes(error.code) || isByAdmission(error)))
      throw new JobRefused(said);
    throw new EngineUnreachable(said, { cause: error });
  }
}

/** A proxy that takes no request says 400, too, and so does the API to a question: neither is about any job. */
const isOfSent = ({ method, reason }: ApiFault): boolean => method === "POST" && reason !== "";

/** Admission says no with 403, as a lack of rights does, and only words tell the two apart. */
const ADMISSION =
  /exceeded quota|violates PodSecurity|admission webhook|LimitRange|is forbidden: .*(?:must|maximum|minimum)/;

const isByAdmission = ({ code, message }: ApiFault): boolean =>
  code === 403 && ADMISSION.test(message);

const isOverQuota = ({ code, message }: ApiFault): boolean =>
  code === 403 && message.includes("exceeded quota");

/**
 * Whether the quota would be exceeded if nobody else used any of it.
 * `exceeded quota: small, requested: limits.memory=2Gi,pods=1, used: limits.memory=3Gi,pods=2, limited: limits.memory=4Gi,pods=2`
 */
function isTooLargeAlone(message: string, pods: number): boolean {
  const times = message.startsWith("pods ") ? pods : 1;
  const limited = amounts(message, LIMITED);
  return [...amounts(message, REQUESTED)].some(
    ([resource, amount]) => amount * times > (limited.get(resource) ?? Number.POSITIVE_INFINITY),
  );
}

const REQUESTED = /\brequested: ([^ ]*)/;
const LIMITED = /\blimited: ([^ ]*)/;

function amounts(message: string, listed: RegExp): Map<string, number> {
  const list = listed.exec(message)?.[1] ?? "";
  const found = new Map<string, number>();
  for (const entry of list.split(",")) {
    const [resource = "", text = ""] = entry.split("=");
    const amount = parseQuantity(text);
    if (amount !== undefined) found.set(resource, amount);
  }
  return found;
}
