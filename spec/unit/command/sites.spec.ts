import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Site } from '../../../src/command/listen/site/site.js';
import { Sites } from '../../../src/command/listen/site/sites.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Sites whose tunnel objects share their counters, as in the command. */
const shared = { open: 0, bytesIn: 20, bytesOut: 40 };

function makeSite(open: number) {
  const tunnel = Object.assign(new EventEmitter(), {
    open,
    stats: () => shared,
    close: vi.fn(() => Promise.resolve()),
  });
  const site = { tunnel, app: () => undefined, isIdle: () => tunnel.open === 0 };
  return { tunnel, site: site as unknown as Site };
}

test('old settings stay while a tunnel uses them, and their bytes are counted once', () => {
  const sites = new Sites();
  shared.open = 1;
  const { tunnel, site } = makeSite(1);
  sites.use(site);
  sites.use(makeSite(0).site);
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).not.toHaveBeenCalled();
  expect(sites.totals()).toEqual({ open: 1, bytesIn: 20, bytesOut: 40 });

  tunnel.open = 0;
  shared.open = 0;
  tunnel.emit('close');
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).toHaveBeenCalledTimes(1);
  expect(sites.totals()).toEqual({ open: 0, bytesIn: 20, bytesOut: 40 });
});
