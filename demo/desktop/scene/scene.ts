import { contains, intersect, type Rect } from '../draw/rect.js';
import { Region } from '../draw/region.js';
import { Surface } from '../draw/surface.js';
import { BAR_HEIGHT, fit, layout } from '../layout.js';
import { Clipboard } from './clipboard.js';
import type { Seat } from './seat.js';
import { Sketch } from './sketch.js';
import { Terminal } from './terminal.js';
import { TopBar } from './topbar.js';
import { Traffic, type Carried } from './traffic.js';
import { wallpaper } from './wallpaper.js';
import type { Window } from './window.js';

/** Pixels of a dragged window that always stay on the screen. */
const HOLD = 64;

/** The desktop: a stack of windows. Only changed parts are composed again. */
export class Scene {
  readonly screen: Surface;
  readonly terminal: Terminal;
  readonly clipboard: Clipboard;
  readonly #wallpaper: Surface;
  readonly #bar: TopBar;
  /** From the back to the front. */
  readonly #stack: Window[];
  readonly #stale = new Region();

  /** `carried`: the byte counts for the traffic chart. */
  constructor(
    width: number,
    height: number,
    name: string,
    carried: () => Carried = () => ({ bytesIn: 0, bytesOut: 0 }),
  ) {
    this.#wallpaper = wallpaper(width, height);
    this.screen = new Surface(width, height);
    this.#bar = new TopBar(this.#wallpaper, name);
    this.terminal = new Terminal(fit(layout.terminal, width, height), name, Date.now());
    this.clipboard = new Clipboard(fit(layout.clipboard, width, height), (text) => {
      this.raise(this.terminal);
      this.terminal.paste(text);
    });
    this.#stack = [
      this.clipboard,
      new Traffic(fit(layout.traffic, width, height), carried),
      new Sketch(fit(layout.sketch, width, height)),
      this.terminal,
    ];
    this.terminal.active = true;
    this.#bar.tick(Date.now(), 0);
    this.#stale.add(this.screen.bounds);
    this.render();
  }

  tick(now: number, viewers: number): void {
    this.#bar.tick(now, viewers);
    for (const window of this.#stack) window.tick?.(now);
  }

  windowAt(x: number, y: number): Window | undefined {
    return y < BAR_HEIGHT ? undefined : this.#stack.findLast((window) => contains(window.frame, x, y));
  }

  raise(window: Window): void {
    if (this.#stack.at(-1) === window) return;
    this.#stack.splice(this.#stack.indexOf(window), 1);
    this.#stack.push(window);
    for (const each of this.#stack) each.active = each === window;
    this.#stale.add(window.extent);
  }

  move(window: Window, x: number, y: number): void {
    this.#stale.add(window.extent);
    window.x = Math.max(HOLD - window.surface.width, Math.min(x, this.screen.width - HOLD));
    window.y = Math.max(BAR_HEIGHT, Math.min(y, this.screen.height - HOLD / 2));
    this.#stale.add(window.extent);
  }

  hover(x: number, y: number): void {
    const under = this.windowAt(x, y);
    for (const window of this.#stack) {
      const [left, top] = window === under ? [x - window.x, y - window.y] : [-1, -1];
      window.hover(left, top);
    }
  }

  /** Releases the buttons of a viewer that has disconnected. */
  leave(seat: Seat): void {
    for (const window of this.#stack) window.leave(seat);
  }

  /** Updates the screen and returns its changed parts. */
  render(): Rect[] {
    for (const window of this.#stack) window.settle?.();
    for (const part of [...this.#bar.takeDamage(), ...this.#stack.flatMap((window) => window.takeDamage())]) {
      this.#stale.add(part);
    }
    const changed = this.#stale
      .takeAll()
      .map((part) => intersect(part, this.screen.bounds))
      .filter((part) => part !== undefined);
    for (const part of changed) this.#compose(part);
    return changed;
  }

  #compose(part: Rect): void {
    this.screen.copy(this.#wallpaper, 0, 0, part);
    for (const window of this.#stack) window.composeOnto(this.screen, part);
    this.screen.copy(this.#bar.surface, 0, 0, part);
  }
}
