/** What a refusal of the API means for a job: about what we sent, or about nothing that any job could help. */
import { EngineUnreachable, JobRefused } from "../job-engine.ts";
import { ApiFault } from "./api.ts";

/** @throws JobRefused where it is about what we sent; EngineUnreachable where it tells nothing about any job */
export async function translated<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiFault)) throw error;
    const said = `${what}: Kubernetes says ${error.code} ${error.reason}: ${error.message}`;
    if ([400, 422].includes(error.code) || isByAdmission(error)) throw new JobRefused(said);
    throw new EngineUnreachable(said, { cause: error });
  }
}

/** Admission says no with 403, as a lack of rights does, and only words tell the two apart. */
const ADMISSION =
  /exceeded quota|violates PodSecurity|admission webhook|LimitRange|is forbidden: .*(?:must|maximum|minimum)/;

const isByAdmission = ({ code, message }: ApiFault): boolean =>
  code === 403 && ADMISSION.test(message);
