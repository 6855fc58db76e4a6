import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext } from 'playwright-core';
import { afterAll } from 'vitest';
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

/** The browser of the spec file: a start takes seconds. */
let shared: Promise<Browser> | undefined;

afterAll(async () => {
  const browser = shared;
  shared = undefined;
  await (await browser)?.close();
});

/**
 * A browser with cookies and storage of its own, closed after the test. Flags need a process of its own. Self-signed certificates are
 * accepted.
 */
export async function startBrowser(
  viewport = { width: 1280, height: 800 },
  flags: readonly string[] = [],
  device: { hasTouch?: boolean; isMobile?: boolean; deviceScaleFactor?: number } = {},
): Promise<BrowserContext> {
  const browser = await (flags.length > 0 ? launch(flags) : (shared ??= launch()));
  const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true, ...device });
  onCleanup(() => (flags.length > 0 ? browser.close() : context.close()));
  return context;
}

function launch(flags: readonly string[] = []): Promise<Browser> {
  const executablePath = CHROMIUM ?? 'chromium';
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...flags] });
}
