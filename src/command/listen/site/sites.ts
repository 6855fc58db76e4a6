import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { attachSite, type Site } from './site.js';
import type { CloseOptions } from '../../../types.js';
import type { TunnelTotals } from '../../output/status-line.js';

/** Time between two checks of the old sites, in milliseconds. */
const CHECK_PERIOD = 500;
/** Time for programs that only old settings use to end, in seconds. */
const RETIRE = 1;

/** The site of the current settings, and older sites that still have open tunnels. */
export class Sites {
  readonly #servers = new Set<Server>();
  readonly #old = new Set<Site>();
  #present: Site | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The options of the last `close`. */
  #closing: CloseOptions | undefined;

  /** Sends all further requests to the site. */
  use(site: Site): void {
    const old = this.#present;
    for (const server of this.#servers) attachSite(site, server);
    this.#present = site;
    if (old) this.#retire(old);
    // A reload that ends during the drain must not open the command again.
    if (this.#closing) void site.tunnel.close(this.#closing).catch(() => undefined);
  }

  bindTo(server: Server): void {
    this.#servers.add(server);
    if (this.#present) attachSite(this.#present, server);
  }

  app(req: IncomingMessage, res: ServerResponse): void {
    if (this.#present) this.#present.app(req, res);
    else {
      // The servers listen before the first site is made: see `#start` in listen-process.ts.
      res.writeHead(503, { 'Retry-After': '1', Connection: 'close' });
      res.end();
    }
  }

  /** The totals of all sites, past and present: the tunnel objects share their counters. */
  totals(): TunnelTotals {
    const { open = 0, bytesIn = 0, bytesOut = 0 } = this.#present?.tunnel.stats() ?? {};
    return { open, bytesIn, bytesOut };
  }

  /** Ends every tunnel, as `close()` of the tunnel object does. A second call may shorten the times. */
  async close(options: CloseOptions): Promise<void> {
    this.#closing = options;
    const all = this.#all();
    await Promise.all(all.map(({ tunnel }) => tunnel.close(options)));
    for (const site of all) site.release?.();
  }

  #all(): Site[] {
    return [...this.#old, ...(this.#present ? [this.#present] : [])];
  }

  #retire(site: Site): void {
    this.#old.add(site);
    // Both sites share one state, and the current site reports changes of hosts and of the connection to other processes.
    for (const event of ['backend', 'shared'] as const) site.tunnel.removeAllListeners(event);
    this.#checkOld();
  }

  /** Closes the old sites that no client uses any longer. */
  #checkOld(): void {
    // A request may be in the middleware of an old site for long (a queue of logins), and a site can't tell when the request has left.
    for (const site of this.#old) if (site.retire() === 'idle') this.#forget(site);
    clearTimeout(this.#timer);
    if (this.#old.size > 0) this.#timer = setTimeout(() => this.#checkOld(), CHECK_PERIOD).unref();
  }

  #forget(site: Site): void {
    this.#old.delete(site);
    // No tunnel is open any more, so an error of the cleanup affects no client.
    site.tunnel.close({ timeout: RETIRE }).catch(() => undefined);
    site.release?.();
  }
}
