import { startBrowser } from './browser.js';
import { startFirefox } from './firefox.js';

/**
 * A page of Chromium or Firefox, for a spec that runs in both: the part of playwright's `Page` that is available in both. Selectors
 * are those of CSS.
 */
export interface BrowserPage {
  goto(url: string): Promise<unknown>;
  /** Replaces the text of a field. */
  fill(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  /** Resolves when an element is there. */
  waitForSelector(selector: string): Promise<unknown>;
  /** Resolves when the function in the page returns a true value. */
  waitForFunction<A>(script: (arg: A) => unknown, arg?: A): Promise<unknown>;
  evaluate<A, R>(script: (arg: A) => R | Promise<R>, arg?: A): Promise<R>;
  /** Runs the function in each page from now on, before the scripts of the page. */
  addInitScript(script: () => void): Promise<unknown>;
  readonly keyboard: {
    type(text: string): Promise<void>;
    down(key: string): Promise<void>;
    up(key: string): Promise<void>;
    press(key: string): Promise<void>;
  };
  readonly mouse: {
    move(x: number, y: number): Promise<void>;
    click(x: number, y: number, options?: { button: 'left' | 'middle' }): Promise<void>;
  };
  /** A browser may stop drawing a page that is covered by another. */
  bringToFront(): Promise<void>;
  /** Writes a PNG file. */
  screenshot(options: { path: string }): Promise<unknown>;
  close(): Promise<void>;
}

/** A browser of its own profile. */
export interface BrowserPages<P extends BrowserPage = BrowserPage> {
  newPage(): Promise<P>;
}

/** The browsers in which a spec for both runs: name, program for `describeWith`, start. */
export const BROWSERS: readonly (readonly [string, string, () => Promise<BrowserPages>])[] = [
  ['Chromium', 'chromium', () => startBrowser()],
  ['Firefox', 'firefox-esr', () => startFirefox()],
];
