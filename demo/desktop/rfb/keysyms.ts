import type { EditKey, Key } from '../scene/input.js';

// X11 keysyms: https://www.rfc-editor.org/rfc/rfc6143#section-7.5.4
const edits: Readonly<Record<number, EditKey>> = {
  0xff08: 'BackSpace',
  0xffff: 'Delete',
  0xff9f: 'Delete',
  0xff50: 'Home',
  0xff95: 'Home',
  0xff51: 'Left',
  0xff96: 'Left',
  0xff52: 'Up',
  0xff97: 'Up',
  0xff53: 'Right',
  0xff98: 'Right',
  0xff54: 'Down',
  0xff99: 'Down',
  0xff57: 'End',
  0xff9c: 'End',
};
const ENTER = [0xff0d, 0xff8d];
const CONTROL = [0xffe3, 0xffe4];
/** Keysyms of the number pad are ASCII codes plus this offset. */
const PAD = 0xff80;
/** Keysyms from here on are Unicode characters. */
const UNICODE = 0x01000000;
const LAST_CHARACTER = 0x10ffff;

function characterOf(keysym: number): number | undefined {
  if ((keysym >= 0x20 && keysym <= 0x7e) || (keysym >= 0xa0 && keysym <= 0xff)) return keysym;
  const character = keysym - UNICODE;
  if (character >= 0x20 && character <= LAST_CHARACTER && character !== 0x7f) return character;
  if ((keysym >= 0xffaa && keysym <= 0xffaf) || (keysym >= 0xffb0 && keysym <= 0xffb9)) return keysym - PAD;
  return undefined;
}

export function keyOf(keysym: number): Key {
  const edit = edits[keysym];
  if (edit !== undefined) return { kind: 'edit', edit };
  if (ENTER.includes(keysym)) return { kind: 'enter' };
  if (CONTROL.includes(keysym)) return { kind: 'control' };
  const character = characterOf(keysym);
  return character === undefined
    ? { kind: 'other' }
    : { kind: 'text', text: String.fromCodePoint(character) };
}
