/**
 * How the nodes of a job find each other: the head tells the server where it listens, and agents ask there. Every engine is
 * the same in that; a port that is agreed on beforehand would be somebody else's now and then.
 */
import { type Meeting, meetingReply } from "../../protocol/node-wire.ts";
import type { ServerClient } from "../server-client.ts";

const TIMEOUT_MS = 10_000;

type Client = Pick<ServerClient, "json" | "runnerId">;

const pathOf = ({ runnerId }: Client): string =>
  `/api/v1/runners/${encodeURIComponent(runnerId)}/meeting`;

/** @throws ServerFailure */
export async function publishMeeting(client: Client, place: Meeting): Promise<void> {
  const body = JSON.stringify(place);
  const type = "application/json";
  await client.json({ method: "PUT", path: pathOf(client), body, type, timeoutMs: TIMEOUT_MS });
}

/** @returns null where the head has not told it yet @throws ServerFailure */
export async function findMeeting(client: Client): Promise<Meeting | null> {
  const path = pathOf(client);
  const reply = await client.json({ method: "GET", path, timeoutMs: TIMEOUT_MS });
  return meetingReply.parse(reply).meeting;
}
