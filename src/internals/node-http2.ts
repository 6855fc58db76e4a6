// The internals of node:http2's servers. No other file reads these internals. spec/unit/internals/internals.spec.ts notices
// changes by Node.
import type { Http2Server, ServerHttp2Session } from 'node:http2';

type Http2Settings = NonNullable<ServerHttp2Session['localSettings']>;

/**
 * The `settings` given to `createServer`; undefined if no settings were given.
 *
 * Reads `server[Symbol(options)]` (since Node 8.4; https://github.com/nodejs/node/blob/v24.0.0/lib/internal/http2/core.js, `class
 * Http2Server`). Test: "an http2 server keeps the settings that were given to createServer".
 */
export function settingsOf(server: Http2Server): Http2Settings | undefined {
  const symbol = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'options');
  const options = symbol && (server as unknown as Record<symbol, { settings?: Http2Settings }>)[symbol];
  return options?.settings;
}

/**
 * Is this `stream` listener the listener by which Node creates requests from streams?
 *
 * Reads the listener's name: Node registers `FunctionPrototypeBind(onServerStream, ...)` (since Node 8.4;
 * https://github.com/nodejs/node/blob/v24.0.0/lib/internal/http2/core.js, `setupCompat`). Test: "an http2 server with a request
 * listener has one stream listener, Node's own".
 */
export function isCompatListener(listener: { readonly name: string }): boolean {
  return listener.name === 'bound onServerStream';
}
