import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pathOf } from '../../../../request/path.js';
import type { Next } from '../../../../types.js';
import { isHiddenPath, type ServedFolder } from '../private-files.js';
import { isNovnc, readsSettings } from './folder.js';
import type { PageSettings } from './page-settings.js';
import type { NovncSettings } from './settings.js';
import { startPage } from './start-page.js';

/** Most bytes of a settings file; a larger file is served unchanged. */
const MAX_FILE = 65_536;

interface Answer {
  readonly type: string;
  readonly text: string;
}

/**
 * Runs before the files of noVNC are served: answers `defaults.json` and `mandatory.json`, which noVNC loads since 1.6, and for an
 * older noVNC the page at `/`. The folder is read at each request, since noVNC may be upgraded while the command runs.
 */
export function serveNovnc(served: ServedFolder, settings: PageSettings) {
  return (req: IncomingMessage, res: ServerResponse, next: Next): void => {
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (!isRead) next();
    else
      answerTo(pathOf(req), served, settings).then((answer) => {
        if (answer) send(res, answer);
        else next();
      }, next);
  };
}

function send(res: ServerResponse, { type, text }: Answer): void {
  res.setHeader('Content-Type', `${type}; charset=utf-8`);
  // A change of the settings must reach the next load of the page.
  res.setHeader('Cache-Control', 'no-cache');
  res.end(text);
}

async function answerTo(
  path: string | undefined,
  served: ServedFolder,
  settings: PageSettings,
): Promise<Answer | undefined> {
  const { folder, index } = served;
  const isSettings = path === '/defaults.json' || path === '/mandatory.json';
  if ((!isSettings && path !== '/') || !isNovnc(folder)) return undefined;
  if (isSettings) {
    const own = await ownSettings(served, path);
    return own && { type: 'application/json', text: `${JSON.stringify(mergedWith(settings, own)[path])}\n` };
  }
  const page = index.find((name) => existsSync(join(folder, name)));
  if (page !== 'vnc.html' || readsSettings(folder)) return undefined;
  const [defaults = {}, mandatory = {}] = await Promise.all([
    ownSettings(served, '/defaults.json'),
    ownSettings(served, '/mandatory.json'),
  ]);
  return {
    type: 'text/html',
    text: startPage({
      defaults: mergedWith(settings, defaults)['/defaults.json'],
      mandatory: mergedWith(settings, mandatory)['/mandatory.json'],
    }),
  };
}

/** The content of both files: settings of `--novnc` win over the operator's own file, and the file over automatic settings. */
function mergedWith({ automatic, defaults, mandatory }: PageSettings, own: NovncSettings) {
  return {
    '/defaults.json': { ...automatic, ...own, ...defaults },
    '/mandatory.json': { ...own, ...mandatory },
  };
}

/**
 * The operator's own file beside `vnc.html`; empty if there is none, or if the file must not be served (a link out of the folder).
 * Undefined if the file is not a JSON object: the file is then served unchanged, and noVNC reports the error.
 */
async function ownSettings(served: ServedFolder, path: string): Promise<NovncSettings | undefined> {
  const file = join(served.folder, path);
  try {
    if (!existsSync(file) || (await isHiddenPath(served, path))) return {};
    const { size } = await stat(file);
    if (size > MAX_FILE) return undefined;
    const value: unknown = JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/, ''));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The values are not checked: another version of noVNC may know further settings. */
function isObject(value: unknown): value is NovncSettings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
