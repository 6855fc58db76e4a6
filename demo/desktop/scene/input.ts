import type { Scene } from './scene.js';
import type { Seat } from './seat.js';
import type { Window } from './window.js';

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

/** The pointer and the keys of a viewer. */
export interface Input {
  readonly seat: Seat;
  x: number;
  y: number;
  buttons: number;
  /** Is Ctrl down? */
  control: boolean;
  /** The window on which the left button went down, until the button goes up. */
  grip: Grip | undefined;
}

interface Grip {
  readonly window: Window;
  /** The button went down on the title: the window moves with the pointer. */
  readonly moves: boolean;
  /** The position in the window where the button went down. */
  readonly dx: number;
  readonly dy: number;
}

export const inputOf = (seat: Seat): Input => ({
  seat,
  x: 0,
  y: 0,
  buttons: 0,
  control: false,
  grip: undefined,
});

export function pointer(scene: Scene, input: Input, x: number, y: number, buttons: number): void {
  const pressed = buttons & ~input.buttons;
  const isHeld = (buttons & LEFT) !== 0;
  const wasHeld = (input.buttons & LEFT) !== 0;
  Object.assign(input, { x, y, buttons });
  if ((pressed & LEFT) !== 0) press(scene, input);
  else if (isHeld) drag(scene, input);
  else if (wasHeld) release(scene, input);
  else scene.hover(x, y);
  if ((pressed & WHEEL_UP) !== 0) scene.windowAt(x, y)?.wheel?.(-WHEEL_ROWS);
  if ((pressed & WHEEL_DOWN) !== 0) scene.windowAt(x, y)?.wheel?.(WHEEL_ROWS);
}

function press(scene: Scene, input: Input): void {
  const window = scene.windowAt(input.x, input.y);
  if (window === undefined) return;
  const [dx, dy] = [input.x - window.x, input.y - window.y];
  scene.raise(window);
  input.grip = { window, moves: window.isTitle(dy), dx, dy };
  if (!input.grip.moves) window.press(dx, dy, input.seat);
}

function drag(scene: Scene, input: Input): void {
  if (input.grip === undefined) return;
  const { window, moves, dx, dy } = input.grip;
  if (moves) scene.move(window, input.x - dx, input.y - dy);
  else window.drag(input.x - window.x, input.y - window.y, input.seat);
}

function release(scene: Scene, input: Input): void {
  drag(scene, input);
  const grip = input.grip;
  input.grip = undefined;
  if (grip?.moves === false)
    grip.window.release(input.x - grip.window.x, input.y - grip.window.y, input.seat);
  scene.hover(input.x, input.y);
}

/** Keys go to the terminal, the only window with text input, and bring the terminal to the front. */
export function key(scene: Scene, input: Input, pressed: Key, isDown: boolean): void {
  if (pressed.kind === 'control') input.control = isDown;
  if (!isDown || pressed.kind === 'control' || pressed.kind === 'other') return;
  const { terminal } = scene;
  if (input.control) {
    if (pressed.kind === 'text') shortcut(scene, input, pressed.text.toLowerCase());
    return;
  }
  scene.raise(terminal);
  if (pressed.kind === 'text') terminal.type(pressed.text);
  else if (pressed.kind === 'edit') terminal.edit(pressed.edit);
  else terminal.enter();
}

function shortcut({ terminal, clipboard }: Scene, input: Input, letter: string): void {
  if (letter === 'c' && terminal.copyable !== '') clipboard.put(terminal.copyable, input.seat);
  else if (letter === 'v') terminal.paste(clipboard.text);
  else if (letter === 'l') terminal.clear();
  else if (letter === 'u') terminal.eraseLine();
}
