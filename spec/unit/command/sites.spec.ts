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

function makeSite(open: number) {
  const tunnel = Object.assign(new EventEmitter(), {
    open,
    end: (filter: () => boolean) => {
      for (let i = 0; i < tunnel.open; i++) filter();
    },
    stats: () => ({ open: tunnel.open, bytesIn: 10, bytesOut: 20 }),
    close: vi.fn(() => Promise.resolve()),
  });
  return { tunnel, site: { tunnel, app: () => undefined } as unknown as Site };
}

test('old settings stay while a tunnel uses them, and their bytes are counted once', () => {
  const sites = new Sites();
  const { tunnel, site } = makeSite(1);
  sites.use(site);
  sites.use(makeSite(0).site);
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).not.toHaveBeenCalled();
  expect(sites.totals()).toEqual({ open: 1, bytesIn: 20, bytesOut: 40 });

  tunnel.open = 0;
  tunnel.emit('close');
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).toHaveBeenCalledTimes(1);
  expect(sites.totals()).toEqual({ open: 0, bytesIn: 20, bytesOut: 40 });
});
