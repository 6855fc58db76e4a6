import type { Page } from 'puppeteer-core';
import type { WebDriver } from 'selenium-webdriver';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Fingers on the touch screen of a browser: one point of the window for each finger. */
export interface Fingers {
  /** Moves the fingers in straight lines, all at once. noVNC sees a gesture only if the fingers reach the screen within 250 ms. */
  swipe(from: readonly Point[], to: readonly Point[]): Promise<void>;
  down(points: readonly Point[]): Promise<void>;
  up(): Promise<void>;
}

/** The number of touchmove events of a swipe. */
const STEPS = 10;

/** The positions of all fingers, step by step. */
function lines(from: readonly Point[], to: readonly Point[]): Point[][] {
  return Array.from({ length: STEPS }, (_, step) =>
    from.map(({ x, y }, id) => {
      const { x: endX, y: endY } = to[id] ?? { x, y };
      const part = (step + 1) / STEPS;
      return { x: Math.round(x + (endX - x) * part), y: Math.round(y + (endY - y) * part) };
    }),
  );
}

/** Puppeteer's Touchscreen moves one finger at a time. https://w3c.github.io/webdriver-bidi/#command-input-performActions */
interface Actor {
  readonly browsingContext: { performActions(sources: readonly object[]): Promise<void> };
}

/** Firefox itself makes the touch events. */
export function firefoxFingers(page: Page): Fingers {
  const perform = async (count: number, actionsOf: (id: number) => readonly object[]) => {
    const { browsingContext } = page.mainFrame() as unknown as Actor;
    const sources = Array.from({ length: count }, (_, id) => ({
      type: 'pointer',
      id: `finger${id}`,
      parameters: { pointerType: 'touch' },
      actions: actionsOf(id),
    }));
    await browsingContext.performActions(sources);
  };
  const down = { type: 'pointerDown', button: 0 };
  const up = { type: 'pointerUp', button: 0 };
  const move = (points: readonly Point[], id: number) => ({ type: 'pointerMove', ...points[id] });
  let count = 0;
  return {
    swipe: (from, to) =>
      perform(from.length, (id) => {
        const moves = lines(from, to).map((points) => ({ ...move(points, id), duration: 16 }));
        // One finger after the other: for fingers in the same tick, Firefox sends each touchstart and touchend twice.
        const wait = Array.from({ length: id }, () => ({ type: 'pause' }));
        const rest = Array.from({ length: from.length - 1 - id }, () => ({ type: 'pause' }));
        return [move(from, id), ...wait, down, ...rest, ...moves, ...wait, up];
      }),
    down: (points) => perform((count = points.length), (id) => [move(points, id), down]),
    up: () => perform(count, () => [up]),
  };
}

/**
 * WebKitGTK's driver makes mouse events of a touch pointer, so the page dispatches the touch events, with the engine's own classes, to
 * the element below the first finger.
 */
export function webKitFingers(driver: WebDriver): Fingers {
  const dispatch = (...events: readonly (readonly [string, readonly Point[]])[]) =>
    driver.executeAsyncScript<undefined>(
      `(${dispatchTouches.toString()})(arguments[0]).then(arguments[1])`,
      events,
    );
  let last: readonly Point[] = [];
  return {
    async swipe(from, to) {
      const moves = lines(from, to).map((points) => ['touchmove', points] as const);
      await dispatch(['touchstart', from], ...moves, ['touchend', to]);
    },
    async down(points) {
      last = points;
      await dispatch(['touchstart', points]);
    },
    up: () => dispatch(['touchend', last]),
  };
}

/** Runs in the page. WebKitGTK has no constructor for a Touch. */
async function dispatchTouches(events: readonly (readonly [string, readonly Point[]])[]): Promise<void> {
  interface Old {
    createTouch(...args: readonly unknown[]): Touch;
    createTouchList(...touches: readonly Touch[]): TouchList;
  }
  const old = document as unknown as Old;
  const first = events[0]?.[1][0];
  const target = first && document.elementFromPoint(first.x, first.y);
  for (const [type, points] of events) {
    const changed = old.createTouchList(
      ...points.map(({ x, y }, id) => old.createTouch(window, target, id, x, y, x, y)),
    );
    const touches = type === 'touchend' ? old.createTouchList() : changed;
    const lists = { touches, targetTouches: touches, changedTouches: changed } as unknown as TouchEventInit;
    target?.dispatchEvent(new TouchEvent(type, { bubbles: true, cancelable: true, ...lists }));
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
}
