import { readFileSync } from 'node:fs';

/** The text of a page, by its path in the repository. */
export function page(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

export const README = page('README.md');
export const COMMAND = page('src/command/README.md');
export const SERVICE = page('src/command/service.md');
export const LOGINS = page('src/command/logins.md');
export const CONNECT = page('src/command/connect/README.md');
export const FROM_WEBSOCKIFY = page('src/command/from-websockify.md');
export const CLIENT = page('src/client/README.md');
export const LIGHTTPD = page('src/lighttpd/README.md');
export const BACKENDS = page('src/backends/README.md');
export const ROUTES = page('src/routes/README.md');
export const TUNNEL = page('src/tunnel/README.md');
export const OBSERVE = page('src/observe/README.md');
export const REDIS = page('src/redis/README.md');

/** The cells of the table after a mark of a page. */
export function table(text: string, mark: string): string[][] {
  const [, rest = ''] = text.split(`${mark}\n`);
  const lines = rest.trimStart().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  const rows = lines.slice(2, end === -1 ? undefined : end);
  if (rows.length === 0) throw new Error(`no table after ${mark}`);
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
