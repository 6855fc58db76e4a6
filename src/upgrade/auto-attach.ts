import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { isHttp2 } from './http2/server.js';
import { reachOf, type Wanted } from './look-inside.js';

// Node publishes every accepted connection here, synchronously, before a byte of it is read: in time for a tunnel that
// was only `app.use`d to listen for the very first request.
const ACCEPTED = 'net.server.socket';

/** A tunnel that wants to be attached by itself. */
export interface Candidate {
  readonly user: Wanted;
  attach(server: HttpServer): void;
}

const candidates = new Map<Candidate, WeakSet<HttpServer>>();

export function watchServers(candidate: Candidate): void {
  if (candidates.size === 0) subscribe(ACCEPTED, onAccepted);
  candidates.set(candidate, new WeakSet());
}

export function unwatchServers(candidate: Candidate): void {
  if (candidates.delete(candidate) && candidates.size === 0) unsubscribe(ACCEPTED, onAccepted);
}

function onAccepted(message: unknown): void {
  const { server } = (message as { socket: { server?: unknown } }).socket;
  if (!(server instanceof HttpServer || server instanceof HttpsServer || isHttp2(server))) return;
  // An https or http2 server has the interface of an http server.
  const http = server as HttpServer;
  for (const [candidate, attached] of candidates) {
    if (attached.has(http)) continue;
    const listeners = http.listeners('request');
    if (!listeners.some((listener) => reachOf(listener, candidate.user, undefined) !== 'no')) continue;
    attached.add(http);
    candidate.attach(http);
  }
}
