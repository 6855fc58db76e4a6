import type { IncomingMessage, Server } from 'node:http';

// engine.io (and socket.io above it) takes all `request` listeners off the server and puts one of its own there, which calls
// them. So an app that socket.io was attached to cannot be looked into any more. In return its `upgrade` listener is known to
// claim nothing but its own path; every other upgrade it only ends, after a second.

/** In the text of its `request` listener, or in that of socket.io's. */
const REQUEST = /\.handleRequest\(|\.clientPathRegex\b|\.extractFilename\(/;
/** In the text of its `upgrade` listener. */
const UPGRADE = /\.destroyUpgrade\b/;

/** Is engine.io's wrapper what hides the app, and does nothing but engine.io listen for upgrades? */
export function isEngineIoAlone(server: Server, isOurs: (listener: unknown) => boolean): boolean {
  const others = server.listeners('upgrade').filter((listener) => !isOurs(listener));
  return (
    others.length > 0 &&
    others.every((listener) => UPGRADE.test(textOf(listener))) &&
    server.listeners('request').some((listener) => REQUEST.test(textOf(listener)))
  );
}

/** Its clients name the version of its protocol in the query. */
export function isForEngineIo({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return /[?&]EIO=/.test(url);
}

function textOf(listener: CallableFunction): string {
  return Function.prototype.toString.call(listener);
}
