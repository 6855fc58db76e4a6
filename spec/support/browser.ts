import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';
import { onCleanup } from './cleanup.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path of Chromium, or the value of the variable `CHROMIUM`. */
export const CHROMIUM =
  process.env.CHROMIUM ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
    existsSync(path),
  );

/** The options of a phone, for {@link startBrowser}. */
export const PHONE = [
  { width: 390, height: 844 },
  [],
  { hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
] as const satisfies Parameters<typeof startBrowser>;

/** A browser with an empty profile, closed after the test. */
export async function startBrowser(
  viewport = { width: 1280, height: 800 },
  flags: readonly string[] = [],
  device: { hasTouch?: boolean; isMobile?: boolean; deviceScaleFactor?: number } = {},
): Promise<BrowserContext> {
  const profile = await mkdtemp(join(tmpdir(), 'wstunnel-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM ?? 'chromium',
    headless: true,
    args: [...FLAGS, ...flags],
    viewport,
    ...device,
  });
  onCleanup(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return context;
}
