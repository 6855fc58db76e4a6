import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDocumentRoot, type Plan } from '../../plan.js';
import { isNovnc, readsSettings } from './folder.js';
import { pageSettings } from './page-settings.js';

/** The place of a token in a link. */
const TOKEN = 'TOKEN';

/**
 * The link to noVNC, for the message at the start; undefined if the listen address itself shows the desktop. Tokens and settings are
 * in the fragment, which browsers do not send: they reach neither access logs nor `Referer` headers.
 */
export function novncLink(plan: Plan, url: string): string | undefined {
  const { web, tokens } = plan;
  if (!web || isDocumentRoot(web) || !isNovnc(web.folder) || !/^https?:/.test(url)) return undefined;
  const isAtRoot = !existsSync(join(web.folder, 'index.html'));
  if (isAtRoot && tokens === undefined) return undefined;
  const { automatic, defaults, mandatory } = pageSettings(plan);
  const settings = { ...automatic, ...defaults, ...mandatory };
  const needed: Record<string, unknown> = isAtRoot || readsSettings(web.folder) ? {} : settings;
  const path = String(settings.path ?? 'websockify');
  const fragment = Object.entries({
    ...needed,
    ...(tokens !== undefined && { autoconnect: true, path: `${path}?token=${TOKEN}` }),
  }).map(([name, value]) => `${name}=${String(value).replace(/[^\w\-./~?=]/g, encodeURIComponent)}`);
  const page = `${url}${isAtRoot ? '' : 'vnc.html'}`;
  return `noVNC: ${page}${fragment.length === 0 ? '' : `#${fragment.join('&')}`}`;
}
