import { createHash } from 'node:crypto';
import { commonValues } from '../../upgrade/check/check-socket.js';
import { rawHeadersOf, type KeptRequest } from '../../upgrade/kept-request.js';
import type { OpenLogin } from './open-login.js';

/** Differs for each tunnel, and is no part of any login. */
const KEY_HEADER = 'sec-websocket-key';

/**
 * Open tunnels whose opening requests look the same to the app, such as those of one browser's tabs: one check counts for all. The same
 * are server, URL, grant, all headers but `Sec-WebSocket-Key`, and the addresses but the client's port. The check notices if the app reads
 * the port or the client's certificate; its answer then counts for one tunnel alone.
 */
export class SameLogins {
  // Most logins have one tunnel: no set for those.
  readonly #logins = new Map<string, OpenLogin | Set<OpenLogin>>();

  add(login: OpenLogin): void {
    const key = keyOf(login.request);
    const same = this.#logins.get(key);
    login.key = key;
    if (!same) this.#logins.set(key, login);
    else if (same instanceof Set) same.add(login);
    else this.#logins.set(key, new Set([same, login]));
  }

  remove(login: OpenLogin): void {
    const { key } = login;
    if (key === undefined) return;
    login.key = undefined;
    const same = this.#logins.get(key);
    if (same instanceof Set) {
      same.delete(login);
      if (same.size > 0) return;
    }
    this.#logins.delete(key);
  }

  /** The other tunnels for which a check of this one counts. */
  othersOf(login: OpenLogin): OpenLogin[] {
    const same = login.key === undefined ? undefined : this.#logins.get(login.key);
    if (!(same instanceof Set)) return [];
    const { request, settings } = login;
    return [...same].filter(
      (other) => other !== login && other.request.server === request.server && other.settings === settings,
    );
  }
}

/** A digest: the text itself would cost each tunnel as much memory as its headers. */
function keyOf(request: KeptRequest): string {
  const raw = rawHeadersOf(request);
  const headers = raw.filter((_, index) => raw[index - (index % 2)]?.toLowerCase() !== KEY_HEADER);
  const granted = JSON.stringify(request.granted ?? {});
  const text = [granted, request.url, request.upgrade, commonValues(request.socket), ...headers].join('\n');
  return createHash('sha256').update(text).digest('base64');
}
