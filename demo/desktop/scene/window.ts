import { contains, grow, rect, shift, type Rect } from '../draw/rect.js';
import { roundBox } from '../draw/shapes.js';
import { Surface } from '../draw/surface.js';
import { TITLE_HEIGHT } from '../layout.js';
import type { Button } from './button.js';
import type { Seat } from './seat.js';
import { REACH, Shadow } from './shadow.js';
import { fonts, type Look } from './theme.js';

const RADIUS = 10;

interface Corner {
  readonly x: number;
  readonly y: number;
  /** The part of the pixel outside of the window, 0 to 255. */
  readonly outside: number;
}

function corners(width: number, height: number): Corner[] {
  const box = roundBox(rect(0, 0, width, height), RADIUS);
  const found: Corner[] = [];
  for (let y = 0; y < RADIUS; y++) {
    for (let x = 0; x < RADIUS; x++) {
      const outside = Math.round(Math.max(0, Math.min(1, 0.5 + box.distance(x + 0.5, y + 0.5))) * 255);
      if (outside === 0) continue;
      for (const [cx, cy] of [
        [x, y],
        [width - 1 - x, y],
        [x, height - 1 - y],
        [width - 1 - x, height - 1 - y],
      ] as const) {
        found.push({ x: cx, y: cy, outside });
      }
    }
  }
  return found;
}

/** A window keeps its picture, so that moving the window draws nothing. */
export abstract class Window {
  readonly surface: Surface;
  readonly buttons: Button[] = [];
  readonly #shadow: Shadow;
  readonly #corners: readonly Corner[];
  #damage: Rect[] = [];
  #active = false;
  x: number;
  y: number;

  constructor(
    frame: Rect,
    readonly title: string,
    readonly badge: number,
    readonly look: Look,
  ) {
    this.x = frame.x;
    this.y = frame.y;
    this.surface = new Surface(frame.width, frame.height, look.body);
    this.#shadow = new Shadow(frame.width, frame.height, RADIUS);
    this.#corners = corners(frame.width, frame.height);
    this.drawTitle();
  }

  get frame(): Rect {
    return rect(this.x, this.y, this.surface.width, this.surface.height);
  }

  /** The frame and its shadow. */
  get extent(): Rect {
    return grow(this.frame, REACH);
  }

  set active(active: boolean) {
    if (active === this.#active) return;
    this.#active = active;
    this.drawTitle();
  }

  isTitle(y: number): boolean {
    return y < TITLE_HEIGHT;
  }

  /** Called about ten times a second while viewers are connected. */
  tick?(now: number): void;

  wheel?(rows: number): void;

  /** Draws pending changes before the screen is composed. */
  settle?(): void;

  press(x: number, y: number, seat: Seat): void {
    for (const button of this.buttons) if (contains(button.frame, x, y)) button.press(seat);
  }

  drag(x: number, y: number, seat: Seat): void {
    for (const button of this.buttons) button.slide(contains(button.frame, x, y), seat);
  }

  release(x: number, y: number, seat: Seat): void {
    for (const button of this.buttons) button.release(contains(button.frame, x, y), seat);
  }

  hover(x: number, y: number): void {
    for (const button of this.buttons) button.hover(contains(button.frame, x, y));
  }

  /** Ends the gesture of a viewer that has disconnected. */
  leave(seat: Seat): void {
    this.release(-1, -1, seat);
  }

  /** The changes since the last call, in coordinates of the screen. */
  takeDamage(): Rect[] {
    const damage = this.#damage.map((part) => shift(part, this.x, this.y));
    this.#damage = [];
    return damage;
  }

  damage(part: Rect): void {
    this.#damage.push(part);
  }

  composeOnto(screen: Surface, clip: Rect): void {
    this.#shadow.cast(screen, this.x, this.y, clip);
    const corners = this.#corners.filter(({ x, y }) => contains(clip, this.x + x, this.y + y));
    const under = corners.map(({ x, y }) => screen.at(this.x + x, this.y + y));
    screen.copy(this.surface, this.x, this.y, clip);
    corners.forEach(({ x, y, outside }, at) => {
      screen.mix(this.x + x, this.y + y, under[at] ?? 0, outside);
    });
  }

  protected drawTitle(): void {
    const { width } = this.surface;
    this.surface.fill(rect(0, 0, width, TITLE_HEIGHT - 1), this.look.title);
    this.surface.fill(rect(0, TITLE_HEIGHT - 1, width, 1), this.look.rule);
    this.surface.shape(roundBox(rect(14, 12, 10, 10), 3), this.badge, this.#active ? 1 : 0.55);
    fonts.strong.draw(
      this.surface,
      32,
      21,
      this.title,
      this.#active ? this.look.caption : this.look.captionIdle,
    );
    this.damage(rect(0, 0, width, TITLE_HEIGHT));
  }
}
