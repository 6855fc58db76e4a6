import { TunnelError } from '../errors.js';

/**
 * Bun ends upgrades in its own way, and has a `ws` of its own: the response that the app writes for an upgrade has no socket
 * there, so that an HTTP 500 would go into the open WebSocket. Better no tunnel than one that fails at the first upgrade.
 *
 * @throws {TunnelError} WSTUNNEL_RUNTIME under Bun.
 */
export function checkRuntime({ bun } = process.versions): void {
  if (bun === undefined) return;
  throw new TunnelError(
    'WSTUNNEL_RUNTIME',
    `wstunnel: Bun (${bun}) is not supported: upgrades can't pass through an app there; run the server with Node.js 20.19 or newer`,
  );
}
