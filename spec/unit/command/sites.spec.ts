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

function makeSite(phase: ReturnType<Site['retire']>) {
  const tunnel = Object.assign(new EventEmitter(), {
    stats: () => shared,
    close: vi.fn(() => Promise.resolve()),
  });
  const site = { tunnel, app: () => undefined, phase, retire: vi.fn(() => site.phase) };
  return { tunnel, state: site, site: site as unknown as Site };
}

test('old settings stay while a tunnel uses them, and their bytes are counted once', () => {
  const sites = new Sites();
  shared.open = 1;
  const { tunnel, state, site } = makeSite('open');
  sites.use(site);
  expect(state.retire).not.toHaveBeenCalled();
  sites.use(makeSite('idle').site);
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).not.toHaveBeenCalled();
  expect(sites.totals()).toEqual({ open: 1, bytesIn: 20, bytesOut: 40 });

  state.phase = 'idle';
  shared.open = 0;
  vi.advanceTimersByTime(60_000);
  expect(tunnel.close).toHaveBeenCalledTimes(1);
  expect(sites.totals()).toEqual({ open: 0, bytesIn: 20, bytesOut: 40 });
  expect(vi.getTimerCount()).toBe(0);
});

test('a request that stays in the middleware of old settings for minutes keeps them in use', () => {
  const sites = new Sites();
  const { tunnel, state, site } = makeSite('opening');
  sites.use(site);
  sites.use(makeSite('idle').site);
  vi.advanceTimersByTime(600_000);
  expect(tunnel.close).not.toHaveBeenCalled();
  state.phase = 'idle';
  vi.advanceTimersByTime(1000);
  expect(tunnel.close).toHaveBeenCalledTimes(1);
});

test('old settings without a client are closed at once', () => {
  const sites = new Sites();
  const { tunnel, site } = makeSite('idle');
  sites.use(site);
  sites.use(makeSite('idle').site);
  expect(tunnel.close).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
});
