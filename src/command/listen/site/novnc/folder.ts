import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CommandError, EXIT } from '../../../exit.js';
import type { Plan } from '../../plan.js';

/** `--web novnc` is the installed noVNC. */
const NAME = 'novnc';

/** The folders of noVNC: of the packages of Debian, Ubuntu and Fedora; of Arch; of a copy by hand. */
const INSTALLED = ['/usr/share/novnc', '/usr/share/webapps/novnc', '/usr/local/share/novnc'] as const;

/**
 * The folder of `--web`. `novnc` is the installed noVNC, unless a file or folder of this name exists in `base`.
 *
 * @throws {CommandError} if noVNC is not installed
 */
export function webFolder(
  text: string,
  base: string,
  by: string,
  installed: readonly string[] = INSTALLED,
): string {
  const folder = resolve(base, text);
  if (text !== NAME || existsSync(folder)) return folder;
  const found = installed.find(isNovnc);
  if (found !== undefined) return found;
  throw new CommandError(
    EXIT.config,
    `${by}: noVNC is not in ${installed.join(', ')}: install the package novnc (Debian: apt install novnc), or give the folder that contains vnc.html`,
  );
}

/** Does the folder contain noVNC's own page? A `vnc.html` alone may be any page. */
export function isNovnc(folder: string): boolean {
  return existsSync(join(folder, 'vnc.html')) && existsSync(join(folder, 'app/ui.js'));
}

/**
 * Does the page load `defaults.json` and `mandatory.json`? noVNC does since 1.6. Since the same version, the setting `path` is
 * relative to the page; in older versions, `path` begins at the root of the server.
 */
export function readsSettings(folder: string): boolean {
  try {
    return readFileSync(join(folder, 'vnc.html'), 'utf8').includes('defaults.json');
  } catch {
    return false;
  }
}

/** @throws {CommandError} if the plan has settings of noVNC, and the served folder is not noVNC's */
export function requireNovnc({ novnc, web }: Pick<Plan, 'novnc' | 'web'>): void {
  if (!novnc || !web || isNovnc(web.folder)) return;
  throw new CommandError(
    EXIT.config,
    `--novnc: ${web.folder} does not contain noVNC (vnc.html and app/ui.js): give the folder of noVNC with ${web.by}`,
  );
}
