import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDocumentRoot, type Plan } from '../../plan.js';
import { isNovnc, readsSettings } from './folder.js';
import { pageSettings } from './page-settings.js';

/** The word in the link that the operator replaces by a token. */
const TOKEN = 'TOKEN';

/** A URL whose host stands for every address of the machine. */
const EVERY = /^(https?:\/\/)(?:\[::\]|0\.0\.0\.0)(?=[:/])/;

/**
 * The line with the link to noVNC, for the start. Undefined without noVNC, or if the URL of the listen address itself shows the desktop.
 * Token and settings are in the fragment, which browsers do not send: the token reaches neither access logs nor `Referer` headers.
 */
export function novncLink(plan: Plan, url: string): string | undefined {
  const { web, tokens, names } = plan;
  if (!web || isDocumentRoot(web) || !isNovnc(web.folder) || !/^https?:/.test(url)) return undefined;
  // The page can put a token into the URL of its WebSocket alone.
  const place = tokens?.from ?? 'query';
  if (place !== 'query' && place !== 'path') return undefined;
  const isAtRoot = !existsSync(join(web.folder, 'index.html'));
  if (isAtRoot && tokens === undefined && !EVERY.test(url)) return undefined;
  const { automatic, defaults, mandatory } = pageSettings(plan);
  const settings = { ...automatic, ...defaults, ...mandatory };
  const needed: Record<string, unknown> = isAtRoot || readsSettings(web.folder) ? {} : settings;
  const path = String(settings.path ?? 'websockify');
  const fragment = Object.entries({
    ...needed,
    ...(tokens !== undefined && {
      autoconnect: true,
      path: withToken(path, place),
    }),
  }).map(
    ([name, value]) => `${name}=${String(value).replace(/[^\w\-./~?=]/gu, (one) => encodeURIComponent(one))}`,
  );
  const page = `${url.replace(EVERY, `$1${names[0] ?? 'localhost'}`)}${isAtRoot ? '' : 'vnc.html'}`;
  return `noVNC: ${page}${fragment.length === 0 ? '' : `#${fragment.join('&')}`}`;
}

function withToken(path: string, place: 'query' | 'path'): string {
  if (place === 'query') return `${path}${path.includes('?') ? '&' : '?'}token=${TOKEN}`;
  const [, before = '', query = ''] = /^([^?]*)(.*)$/s.exec(path) ?? [];
  return `${before.replace(/\/$/, '')}/${TOKEN}${query}`;
}
