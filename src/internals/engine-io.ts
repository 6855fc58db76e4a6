// engine.io (and socket.io on top of it) removes all `request` listeners from the server and adds one listener that calls them.
// From then on the app cannot be read. On the other hand, its `upgrade` listener is known to claim only engine.io's own path: it
// ends every other upgrade after one second. Test: "engine.io and socket.io are recognised by their listeners".
import type { IncomingMessage, Server } from 'node:http';

/** Found in the text of its `request` listener, or of socket.io's. */
const REQUEST = /\.handleRequest\(|\.clientPathRegex\b|\.extractFilename\(/;
/** Found in the text of its `upgrade` listener (https://github.com/socketio/engine.io, `Server.attach`). */
const UPGRADE = /\.destroyUpgrade\b/;

/** Does engine.io hide the app, and is engine.io the only one that listens for upgrades, apart from us? */
export function isEngineIoAlone(server: Server, isOurs: (listener: unknown) => boolean): boolean {
  const others = server.listeners('upgrade').filter((listener) => !isOurs(listener));
  return (
    others.length > 0 &&
    others.every((listener) => UPGRADE.test(textOf(listener))) &&
    server.listeners('request').some((listener) => REQUEST.test(textOf(listener)))
  );
}

/** Clients of engine.io name their protocol version in the query. */
export function isForEngineIo({ url = '' }: Pick<IncomingMessage, 'url'>): boolean {
  return /[?&]EIO=/.test(url);
}

function textOf(listener: CallableFunction): string {
  return Function.prototype.toString.call(listener);
}
