import type { Scene } from './scene.js';
import type { Seat } from './seat.js';

// https://www.rfc-editor.org/rfc/rfc6143#section-7.5.5
const LEFT = 1;
const WHEEL_UP = 8;
const WHEEL_DOWN = 16;
const WHEEL_ROWS = 3;

export type EditKey = 'BackSpace' | 'Delete' | 'Left' | 'Right' | 'Home' | 'End' | 'Up' | 'Down';
export type Key =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'edit'; readonly edit: EditKey }
  | { readonly kind: 'enter' | 'control' | 'other' };

export function pointer(scene: Scene, seat: Seat, x: number, y: number, buttons: number): void {
  const pressed = buttons & ~seat.buttons;
  const isHeld = (buttons & LEFT) !== 0;
  const wasHeld = (seat.buttons & LEFT) !== 0;
  Object.assign(seat, { x, y, buttons });
  if ((pressed & LEFT) !== 0) press(scene, seat);
  else if (isHeld) drag(scene, seat);
  else if (wasHeld) release(scene, seat);
  else scene.hover(x, y);
  if ((pressed & WHEEL_UP) !== 0) scene.windowAt(x, y)?.wheel?.(-WHEEL_ROWS);
  if ((pressed & WHEEL_DOWN) !== 0) scene.windowAt(x, y)?.wheel?.(WHEEL_ROWS);
}

function press(scene: Scene, seat: Seat): void {
  const window = scene.windowAt(seat.x, seat.y);
  if (window === undefined) return;
  const [dx, dy] = [seat.x - window.x, seat.y - window.y];
  scene.raise(window);
  seat.grip = { window, moves: window.isTitle(dy), dx, dy };
  if (!seat.grip.moves) window.press(dx, dy, seat);
}

function drag(scene: Scene, seat: Seat): void {
  if (seat.grip === undefined) return;
  const { window, moves, dx, dy } = seat.grip;
  if (moves) scene.move(window, seat.x - dx, seat.y - dy);
  else window.drag(seat.x - window.x, seat.y - window.y, seat);
}

function release(scene: Scene, seat: Seat): void {
  drag(scene, seat);
  const grip = seat.grip;
  seat.grip = undefined;
  if (grip?.moves === false) grip.window.release(seat.x - grip.window.x, seat.y - grip.window.y, seat);
  scene.hover(seat.x, seat.y);
}

/** Keys go to the terminal, the one window that takes text; it comes to the front to show them. */
export function key(scene: Scene, seat: Seat, pressed: Key, isDown: boolean): void {
  if (pressed.kind === 'control') seat.control = isDown;
  if (!isDown || pressed.kind === 'control' || pressed.kind === 'other') return;
  const { terminal } = scene;
  if (seat.control) {
    if (pressed.kind === 'text') shortcut(scene, seat, pressed.text.toLowerCase());
    return;
  }
  scene.raise(terminal);
  if (pressed.kind === 'text') terminal.type(pressed.text);
  else if (pressed.kind === 'edit') terminal.edit(pressed.edit);
  else terminal.enter();
}

function shortcut({ terminal, clipboard }: Scene, seat: Seat, letter: string): void {
  if (letter === 'c' && terminal.copyable !== '') clipboard.put(terminal.copyable, seat);
  else if (letter === 'v') terminal.paste(clipboard.text);
  else if (letter === 'l') terminal.clear();
  else if (letter === 'u') terminal.eraseLine();
}
