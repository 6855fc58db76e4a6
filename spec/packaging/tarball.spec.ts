import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { linksOf, markdownFiles } from '../support/markdown.js';
import { pack, PACK_TIMEOUT, ROOT, temporaryFolder } from './packed.js';

const folder = temporaryFolder();

describe('the tarball', () => {
  let packed: string;
  let files: string[];

  beforeAll(async () => {
    packed = await pack(folder);
    files = await filesOf(packed);
  }, PACK_TIMEOUT);

  test('contains the build of each source, the pages, the admin page and six more files, and nothing else', async () => {
    const sources = (await filesOf(join(ROOT, 'src'))).filter((source) => /ts$/.test(source));
    const built = sources.flatMap((source) => {
      const [, name = '', kind = ''] = /^(.*)\.([cm]?)ts$/.exec(source) ?? [];
      return [`dist/${name}.${kind}js`, `dist/${name}.d.${kind}ts`];
    });
    expect(built).toEqual(
      expect.arrayContaining(['dist/index.mjs', 'dist/index.d.cts', 'dist/upgrade/servers/attach.js']),
    );
    const pages = [
      ...markdownFiles().filter((file) =>
        /^(src\/|spec\/(bench\/)?README|demo\/README|\.github\/)/.test(file),
      ),
      ...(await filesOfDemo('docker', 'grafana', 'kubernetes', 'recipes')),
      'demo/playback.png',
      'demo/screenshot.png',
      'demo/admin.png',
    ];
    expect(files).toEqual(
      [
        ...built,
        ...pages,
        ...(await filesOf(join(ROOT, 'src/admin/page'))).map((file) => `dist/admin/page/${file}`),
        'dist/package.json',
        'dist/express-wstunnel.1',
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'package.json',
      ].sort(),
    );
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
    const manifest = JSON.parse(await readFile(join(packed, 'package.json'), 'utf8')) as {
      exports: unknown;
      main: string;
      types: string;
      // npm ignores a `man` that is a string and not a list.
      man: string[];
      scripts: Record<string, string>;
    };
    const targets = [manifest.main, manifest.types, ...manifest.man, ...pathsIn(manifest.exports)];
    expect(targets.length).toBeGreaterThan(3);
    for (const target of targets) expect(files).toContain(target.replace('./', ''));
    for (const hook of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(manifest.scripts).not.toHaveProperty(hook);
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
