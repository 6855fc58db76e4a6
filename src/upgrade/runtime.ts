import { creationError } from '../errors.js';

/**
 * Bun handles upgrades in another way, and replaces `ws`: under Bun an app's response to an upgrade has no socket, and an HTTP
 * 500 would be written into the open WebSocket. An error at creation is better than an error at the first upgrade.
 *
 * @throws {TunnelError} WSTUNNEL_RUNTIME under Bun.
 */
export function checkRuntime({ bun } = process.versions): void {
  if (bun === undefined) return;
  throw creationError(
    'WSTUNNEL_RUNTIME',
    `Bun (${bun}) is not supported: upgrades can't pass through an app there; run the server with Node.js 20.19 or newer`,
  );
}
