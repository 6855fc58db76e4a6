import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// The compiled file is one folder deeper.
const DEMO = import.meta.dirname.endsWith('.build') ? dirname(import.meta.dirname) : import.meta.dirname;

/** The folder of the pages, which the demo serves to everybody. */
export const PUBLIC = join(DEMO, 'public');

/** The folder of noVNC, which the demo serves to everybody. */
export const NOVNC = dirname(dirname(createRequire(import.meta.url).resolve('@novnc/novnc')));
