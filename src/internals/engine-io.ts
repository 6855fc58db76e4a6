// engine.io (also inside socket.io) replaces the server's `request` listeners by one function that calls the original
// listeners: the app can no longer be read. On the other hand, engine.io's `upgrade` listener claims only the path of
// engine.io, and ends every other upgrade after one second. Test: "engine.io and socket.io are recognised by their
// listeners".
import type { IncomingMessage, Server } from 'node:http';

/** Found in the text of engine.io's or socket.io's `request` listener. */
const REQUEST = /\.handleRequest\(|\.clientPathRegex\b|\.extractFilename\(/;
/** Found in the text of engine.io's `upgrade` listener (https://github.com/socketio/engine.io, `Server.attach`). */
const UPGRADE = /\.destroyUpgrade\b/;

/** Does engine.io hide the app, without any other `upgrade` listener than engine.io's and ours? */
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
