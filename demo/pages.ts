import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Response } from 'express';

// The compiled file is one folder deeper.
const DEMO = import.meta.dirname.endsWith('.build') ? dirname(import.meta.dirname) : import.meta.dirname;

/** The folder of the pages, which the demo serves to everybody. */
export const PUBLIC = join(DEMO, 'public');

/** The folder of noVNC, which the demo serves to everybody. */
export const NOVNC = dirname(dirname(createRequire(import.meta.url).resolve('@novnc/novnc')));

/** The folder of xterm.js and its addons, which the demo serves to everybody. */
export const XTERM = dirname(dirname(createRequire(import.meta.url).resolve('@xterm/xterm/package.json')));

export function showPage(res: Response, status: number, name: string): void {
  res.status(status).set('Cache-Control', 'no-store').sendFile(name, { root: PUBLIC });
}
