import type { IncomingMessage } from 'node:http';

/** In the global registry, since two copies of this package may be in one process. */
const BEGIN = Symbol.for('express-wstunnel.secret-subprotocols.1');

/** Offered subprotocols that begin with this text are secrets (`token.abc`): no backend gets them, and none is chosen. */
export function hideSubprotocols(req: IncomingMessage, begin: string): void {
  Object.defineProperty(req, BEGIN, { value: begin, configurable: true });
}

/** The offered subprotocols without the secrets. */
export function withoutSecrets<T extends Iterable<string>>(req: IncomingMessage, offered: T): T | string[] {
  const { [BEGIN]: begin } = req as { [BEGIN]?: unknown };
  return typeof begin === 'string' ? [...offered].filter((one) => !one.startsWith(begin)) : offered;
}
