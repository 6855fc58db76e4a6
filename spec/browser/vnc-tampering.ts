import type { BrowserPage } from '../support/browser-page.js';
import type { VncWindow } from './vnc-app.js';

interface Tampering {
  readonly word: string;
  /** Also messages that x11vnc does not know. */
  readonly withExtensions: boolean;
}

/**
 * Does in the page all that a user with the browser's developer tools can do: turns off noVNC's own view-only, and sends input of every kind
 * by noVNC and by the WebSocket itself. The shell gets two lines that append to `$P`: `WORD-keys` by keys, `WORD-paste` by the clipboard
 * and a click; the desktop gets the size 640x400.
 */
export async function tamper(page: BrowserPage, tampering: Tampering): Promise<void> {
  await page.bringToFront();
  await page.mouse.move(200, 250);
  await page.evaluate(({ word, withExtensions }) => {
    const { rfb, socket } = window as unknown as VncWindow;
    const ENTER = 0xff0d;
    const send = (...bytes: number[]) => socket.send(new Uint8Array(bytes));
    const key = (keysym: number, down: number) => [4, down, 0, 0, 0, 0, keysym >> 8, keysym & 255];
    const press = (keysym: number) => [...key(keysym, 1), ...key(keysym, 0)];
    const textOf = (line: string) => Array.from(line, (letter) => letter.charCodeAt(0));
    const pointer = (buttons: number) => [5, buttons, 0, 200, 0, 250];
    rfb.viewOnly = false;
    rfb.sendCtrlAltDel();
    // The terminal may print something for Ctrl-Alt-Del: a new line.
    send(...press(ENTER));
    send(...pointer(0));
    // One message with many keys, and one key in parts.
    send(...textOf(`echo ${word}-keys >> $P`).flatMap(press));
    for (const byte of press(ENTER)) send(byte);
    // QEMU's extended keys: "z". x11vnc ends a connection with a message of unknown type.
    if (withExtensions)
      send(255, 0, 0, 1, 0, 0, 0, 0x7a, 0, 0, 0, 0x2c, 255, 0, 0, 0, 0, 0, 0, 0x7a, 0, 0, 0, 0x2c);
    if (withExtensions) send(...press(0xff08));
    const line = textOf(`echo ${word}-paste >> $P\n`);
    send(6, 0, 0, 0, 0, 0, 0, line.length, ...line);
    send(...pointer(2), ...pointer(0));
    // SetDesktopSize with one screen.
    if (withExtensions)
      send(
        251,
        0,
        640 >> 8,
        640 & 255,
        400 >> 8,
        400 & 255,
        1,
        0,
        ...[0, 0, 0, 0],
        ...[0, 0, 0, 0],
        640 >> 8,
        640 & 255,
        400 >> 8,
        400 & 255,
        0,
        0,
        0,
        0,
      );
  }, tampering);
}

/** Offers a line that appends `WORD-copied` to `$P` by noVNC's clipboard: the extended clipboard of both servers, a notice first. */
export async function copy(page: BrowserPage, word: string): Promise<void> {
  await page.evaluate(
    (line) => (window as unknown as VncWindow).rfb.clipboardPasteFrom(line),
    `echo ${word}-copied >> $P\n`,
  );
}
