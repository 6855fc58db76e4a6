import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { linksOf, markdownFiles } from '../support/markdown.js';
import { pack, PACK_TIMEOUT, ROOT, temporaryFolder } from './packed.js';

const folder = temporaryFolder();

const DECLARATION = /\.d\.[cm]?ts$/;
const RELATIVE = /["'](\.\.?\/[^"'\n]*\.[cm]?js)["']/g;

interface Manifest {
  readonly exports: unknown;
  readonly main: string;
  readonly types: string;
  /** npm ignores a `man` that is a string and not a list. */
  readonly man: string[];
  readonly scripts: Record<string, string>;
}

describe('the tarball', () => {
  let packed: string;
  let files: string[];
  const manifest = async () => JSON.parse(await readFile(join(packed, 'package.json'), 'utf8')) as Manifest;

  beforeAll(async () => {
    packed = await pack(folder);
    files = await filesOf(packed);
  }, PACK_TIMEOUT);

  test('contains the build of each source, the pages, the admin page and ten more files, and nothing else', async () => {
    const sources = (await filesOf(join(ROOT, 'src'))).filter((source) => /ts$/.test(source));
    const built = sources.map((source) => `dist/${source.replace(/ts$/, 'js')}`);
    expect(built).toEqual(expect.arrayContaining(['dist/index.mjs', 'dist/upgrade/servers/attach.js']));
    const pages = [
      ...markdownFiles().filter((file) =>
        /^(src\/|spec\/((bench|long)\/)?README|demo\/README|\.github\/)/.test(file),
      ),
      ...(await filesOfDemo('docker', 'grafana', 'kubernetes', 'operations', 'recipes')),
      'demo/playback.png',
      'demo/screenshot.png',
      'demo/admin.png',
    ];
    expect(files.filter((file) => !DECLARATION.test(file) || file.startsWith('demo/'))).toEqual(
      [
        ...built,
        ...pages,
        ...(await filesOf(join(ROOT, 'src/admin/page'))).map((file) => `dist/admin/page/${file}`),
        ...['bcryptjs.js', 'jsonc-parser.js', 'redos-detector.js'].map((file) => `dist/bundled/${file}`),
        'dist/bundled/LICENSES.txt',
        'dist/bundled/bundled.cdx.json',
        'dist/package.json',
        'dist/express-wstunnel.1',
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'package.json',
      ].sort(),
    );
  });

  test('contains the declarations of the exported types, with every declaration that they import, and no other', async () => {
    const declarations = files.filter((file) => file.startsWith('dist/') && DECLARATION.test(file));
    const entries = pathsIn((await manifest()).exports).map((path) => path.replace('./', ''));
    expect(declarations).toEqual(expect.arrayContaining(entries.filter((path) => DECLARATION.test(path))));
    const imported = new Set<string>();
    for (const file of declarations)
      for (const [, path = ''] of (await readFile(join(packed, file), 'utf8')).matchAll(RELATIVE))
        imported.add(posix.join(posix.dirname(file), path.replace(/([cm]?)js$/, 'd.$1ts')));
    expect([...imported].filter((file) => !declarations.includes(file))).toEqual([]);
    expect(declarations.filter((file) => !imported.has(file) && !entries.includes(file))).toEqual([]);
  });

  test('is smaller than 1.2 MB, and has fewer than 900 files', async () => {
    expect((await stat(join(dirname(packed), 'package.tgz'))).size).toBeLessThan(1_200_000);
    expect(files.length).toBeLessThan(900);
  });

  test('has the pages and pictures that its pages link to', async () => {
    for (const file of files.filter((name) => name.endsWith('.md'))) {
      const links = linksOf(file, await readFile(join(packed, file), 'utf8'));
      const shown = links.map(({ path }) => path).filter((path) => /\.(md|png)$/.test(path));
      expect(
        shown.filter((path) => !files.includes(path)),
        file,
      ).toEqual([]);
    }
  });

  test('contains no source map and no path of the machine that built it', async () => {
    const traces = [folder, ROOT, homedir()].filter((path) => path !== '/').map((path) => `${path}/`);
    for (const file of files) {
      const text = await readFile(join(packed, file), 'utf8');
      for (const trace of [...traces, 'file:///', 'sourceMappingURL'])
        expect(text.includes(trace), `${trace} in ${file}`).toBe(false);
    }
  });

  test('contains the files that its package.json names, and no install script', async () => {
    const { main, types, man, exports, scripts } = await manifest();
    const targets = [main, types, ...man, ...pathsIn(exports)];
    expect(targets.length).toBeGreaterThan(3);
    for (const target of targets) expect(files).toContain(target.replace('./', ''));
    for (const hook of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(scripts).not.toHaveProperty(hook);
  });
});

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** The files of folders of the demo, without those that git ignores. */
async function filesOfDemo(...folders: string[]): Promise<string[]> {
  const files = await Promise.all(
    folders.map(async (name) =>
      (await filesOf(join(ROOT, 'demo', name))).map((file) => `demo/${name}/${file}`),
    ),
  );
  const secrets = /\/(users\.htpasswd|tokens|users\/.*|tokens\/.*|\.gitignore)$/;
  return files.flat().filter((file) => !secrets.test(file));
}

function pathsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(value as Record<string, unknown>).flatMap(pathsIn);
}
