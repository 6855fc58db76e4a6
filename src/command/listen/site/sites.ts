import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { attachTo, isIdle, type Site } from './site.js';
import type { TunnelTotals } from '../../output/status-line.js';

/** A request that has come under old settings has this long to become a tunnel (a slow login). In milliseconds. */
const OLD_SITE_GRACE = 5000;
/** Seconds for the programs that only settings name which nobody uses any more. */
const RETIRE = 1;

/** The site of the present settings, and older ones for as long as tunnels are open there. */
export class Sites {
  readonly #servers = new Set<Server>();
  readonly #old = new Set<Site>();
  /** What sites have carried that are gone. */
  #carried = { bytesIn: 0, bytesOut: 0 };
  #present: Site | undefined;

  /** For all requests from now on. */
  use(site: Site): void {
    const old = this.#present;
    for (const server of this.#servers) attachTo(site, server);
    this.#present = site;
    if (old) this.#retire(old);
  }

  bindTo(server: Server): void {
    this.#servers.add(server);
    if (this.#present) attachTo(this.#present, server);
  }

  app(req: IncomingMessage, res: ServerResponse): void {
    if (this.#present) this.#present.app(req, res);
    else {
      // It listens before programs may run: see running.ts.
      res.writeHead(503, { 'Retry-After': '1', Connection: 'close' });
      res.end();
    }
  }

  totals(): TunnelTotals {
    return this.#all()
      .map(({ tunnel }) => tunnel.stats())
      .reduce<TunnelTotals>(
        (sum, { open, bytesIn, bytesOut }) => ({
          open: sum.open + open,
          bytesIn: sum.bytesIn + bytesIn,
          bytesOut: sum.bytesOut + bytesOut,
        }),
        { open: 0, ...this.#carried },
      );
  }

  /** Ends every tunnel; what is left after so many seconds is cut off. */
  async close(timeout: number): Promise<void> {
    await Promise.all(this.#all().map(({ tunnel }) => tunnel.close({ timeout })));
  }

  #all(): Site[] {
    return [...this.#old, ...(this.#present ? [this.#present] : [])];
  }

  #retire(site: Site): void {
    this.#old.add(site);
    // The hosts' states are those of the present site as well, which says what becomes of them.
    site.tunnel.removeAllListeners('backend');
    let isLooking = false;
    // One look for all tunnels that end meanwhile: each walks over those that are open.
    const look = () => {
      if (isLooking) return;
      isLooking = true;
      setTimeout(() => {
        isLooking = false;
        if (this.#old.has(site) && isIdle(site)) this.#forget(site);
      }, OLD_SITE_GRACE).unref();
    };
    site.tunnel.on('close', look).on('refuse', look);
    look();
  }

  #forget(site: Site): void {
    const { bytesIn, bytesOut } = site.tunnel.stats();
    this.#carried = { bytesIn: this.#carried.bytesIn + bytesIn, bytesOut: this.#carried.bytesOut + bytesOut };
    this.#old.delete(site);
    // Nothing is open there any more: what fails in the clean-up concerns nobody.
    site.tunnel.close({ timeout: RETIRE }).catch(() => undefined);
  }
}
