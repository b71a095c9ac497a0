/**
 * How a runner lays a way to a program that serves: `GET /api/v1/runners/:runner/tunnels/:allocation` with
 * `Upgrade: contrail-tunnel` and the runner's own token. After `101` the connection is a byte stream to the program's
 * socket: nothing is said on it until the server needs one, and then what it says goes to the program as it is. The
 * runner connects to the program at the first byte, and lays down another.
 */

export const TUNNEL_PROTOCOL = "contrail-tunnel";

/** Of one allocation that lie unused; the server refuses more. */
export const TUNNEL_SPARES_MAX = 32;

export const tunnelPath = (runner: string, allocation: string): string =>
  `/api/v1/runners/${encodeURIComponent(runner)}/tunnels/${encodeURIComponent(allocation)}`;
