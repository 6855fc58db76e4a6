// engine.io (also inside socket.io) replaces the server's `request` listeners by one function that calls the original listeners:
// the app can no longer be read. On the other hand, engine.io's `upgrade` listener claims only engine.io's path, and ends all
// other upgrades after one second. Test: "engine.io and socket.io are recognised by their listeners".
import type { IncomingMessage, Server } from 'node:http';

/** Found in the text of engine.io's or socket.io's `request` listener. */
const REQUEST = /\.handleRequest\(|\.clientPathRegex\b|\.extractFilename\(/;
/** Found in the text of engine.io's `upgrade` listener (https://github.com/socketio/engine.io, `Server.attach`). */
const UPGRADE = /\.destroyUpgrade\b/;

/** Does engine.io hide the app, and are engine.io's and ours the only `upgrade` listeners? */
export function isEngineIoAlone(server: Server, isOurs: (listener: unknown) => boolean): boolean {
  const others = server.listeners('upgrade').filter((listener) => !isOurs(listener));
  return (
    others.length > 0 &&
    others.every((listener) => UPGRADE.test(textOf(listener))) &&
    server.listeners('request').some((listener) => REQUEST.test(textOf(listener)))
  );
}

/** Is this request for engine.io? Clients of engine.io send a protocol version in the query. */
export function isForEngineIo({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return /[?&]EIO=/.test(url);
}

function textOf(listener: CallableFunction): string {
  return Function.prototype.toString.call(listener);
}
