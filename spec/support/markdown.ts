import { readdirSync } from 'node:fs';
import { dirname, posix } from 'node:path';

const ROOT = new URL('../../', import.meta.url);
const NOT_OURS = new Set(['node_modules', 'dist', '.build', '.git']);

/** The Markdown files of the repository, by path. */
export function markdownFiles(folder = ''): string[] {
  return readdirSync(new URL(folder || '.', ROOT), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : markdownFiles(`${path}/`);
    return path.endsWith('.md') ? [path] : [];
  });
}

/** The text without fenced code. */
function prose(text: string): string {
  return text.replace(/^( *)```[^]*?^\1```$/gm, '');
}

/** The anchor that GitHub gives to a heading. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** The anchors of a page's headings of a level, or of all levels. */
export function anchors(text: string, level = '#{1,6}'): string[] {
  const seen = new Map<string, number>();
  const headings = prose(text).matchAll(/^(#{1,6}) (.*)$/gm);
  return Array.from(headings, ([, marks = '', heading = '']) => {
    const anchor = anchorOf(heading);
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return { marks, anchor: times === 0 ? anchor : `${anchor}-${times}` };
  }).flatMap(({ marks, anchor }) => (new RegExp(`^${level}$`).test(marks) ? [anchor] : []));
}

export interface Link {
  /** The link as written on the page. */
  readonly href: string;
  /** The path in the repository. */
  readonly path: string;
  readonly anchor: string | undefined;
}

/** The links of a page that lead into the repository. */
export function linksOf(page: string, text: string): Link[] {
  // Inline code contains no links, but the text of a link may be code.
  const withoutCode = prose(text).replace(/`[^`\n]*`/g, '');
  const hrefs = Array.from(withoutCode.matchAll(/\]\(([^)\s]+)\)/g), ([, href = '']) => href);
  return hrefs
    .filter((href) => !/^[a-z]+:/i.test(href))
    .map((href) => {
      const [file = '', anchor] = href.split('#');
      return { href, path: file === '' ? page : posix.join(dirname(page), file), anchor };
    });
}

/** The anchors that a page lists before its first section. */
export function contentsOf(page: string, text: string): string[] {
  const [head = ''] = text.split(/^## /m);
  return linksOf(page, head).flatMap(({ href, anchor = '' }) => (href.startsWith('#') ? [anchor] : []));
}
