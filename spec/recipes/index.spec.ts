import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { RECIPES, recipeFiles } from './start.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(path, 'utf8');
const INDEX = read(join(RECIPES, 'README.md'));
const isPart = (file: string) => !/^\/\/ {3}node /m.test(read(join(RECIPES, file)));

describe('the recipes', () => {
  test('are all in the index, and the index has no other files', () => {
    const listed = Array.from(INDEX.matchAll(/\]\(([\w.-]+\.(?:mjs|ts|conf))\)/g), ([, file = '']) => file);
    expect([...new Set(listed)].sort()).toEqual([...recipeFiles].sort());
  });

  test('are all run by a test', () => {
    const specs = readdirSync(import.meta.dirname).filter(
      (name) => name.endsWith('.spec.ts') && name !== 'index.spec.ts',
    );
    const tests = specs.map((name) => read(join(import.meta.dirname, name))).join('\n');
    const programs = recipeFiles.filter((file) => !isPart(file));
    expect(programs.length).toBeGreaterThan(30);
    for (const file of programs) expect(tests, file).toContain(`'${file}'`);
  });

  test.each(recipeFiles.filter((file) => !file.endsWith('.conf')))('%s names what it imports', (file) => {
    const text = read(join(RECIPES, file));
    const imported = Array.from(text.matchAll(/^import .* from '([^'.]+)';$/gm), ([, name = '']) => name);
    const packages = imported.filter((name) => !name.startsWith('node:')).map(packageOf);
    const installs = Array.from(text.matchAll(/^\/\/ {3}npm install (.*)$/gm), ([, names = '']) => names);
    const installed = installs.join(' ').split(' ');
    if (!isPart(file)) {
      for (const name of packages) expect(installed).toContain(name);
      const parts: [part: string, name: string][] = [
        ['./login.mjs', 'express-session'],
        ['./desktop-page.mjs', '@novnc/novnc'],
        ['./terminal-page.mjs', '@xterm/xterm'],
      ];
      for (const [part, name] of parts) if (text.includes(`'${part}'`)) expect(installed).toContain(name);
      expect(text).toContain(`\n//   node ${file}`);
    }
  });
});

/** `redis` of `redis`, `express-wstunnel` of `express-wstunnel/redis`, `@novnc/novnc` of `@novnc/novnc/x`. */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The settings of the recipes, and the values on pages that show no setting. */
const SETTINGS = [
  ['SESSION_SECRET', 'process.env.SESSION_SECRET'],
  ['VNC_PORT(_[12])?', '5900'],
  ['GRACE', '3'],
  ['HOST_1', "'10.0.0.11'"],
  ['HOST_2', "'10.0.0.12'"],
  ['VNC_SOCKET', "'/run/vnc.sock'"],
] as const;

/** The statements of a program, without comments, line breaks and imports. */
function statementsOf(text: string): string[] {
  const file = ts.createSourceFile('recipe.mjs', text, ts.ScriptTarget.ESNext, false, ts.ScriptKind.JS);
  const printer = ts.createPrinter({ removeComments: true });
  return file.statements
    .filter((statement) => !ts.isImportDeclaration(statement))
    .map((statement) => printer.printNode(ts.EmitHint.Unspecified, statement, file).replace(/,?\s+/g, ' '));
}

/** The recipes that other pages quote, by the quotations' marks. */
const QUOTED: Readonly<Record<string, string>> = {
  sessions: 'sessions',
  'backend-per-user': 'backend-per-user',
  'several-backends': 'several-backends',
  'behind-nginx': 'behind-nginx',
  shutdown: 'shutdown',
  lighttpd: 'lighttpd-conf',
};

describe('a recipe on another page', () => {
  const below = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));
  const pages = ['README.md', ...below('src').filter((path) => path.endsWith('README.md'))];
  const BLOCK = /^<!-- recipe: (\S+) -->\n\n```(js|nginx)\n([^]*?)^```$/gm;
  const blocks = pages.flatMap((page) =>
    Array.from(read(join(ROOT, page)).matchAll(BLOCK), ([, name = '', language = '', text = '']) => {
      const file = `${QUOTED[name] ?? name}.${language === 'js' ? 'mjs' : 'conf'}`;
      return { page, name, language, file, text };
    }),
  );
  const quoted = blocks.filter(({ name }) => name in QUOTED);

  test('is one of five in the README', () => {
    const names = quoted.filter(({ page }) => page === 'README.md').map(({ name }) => name);
    const five = ['sessions', 'backend-per-user', 'several-backends', 'behind-nginx', 'shutdown'];
    expect([...new Set(names)]).toEqual(five);
  });

  test.each(quoted)('$page: $file has the same statements', ({ language, file, text }) => {
    const recipe = read(join(RECIPES, file));
    if (language === 'nginx') {
      expect(recipe).toContain(text);
      return;
    }
    const program = SETTINGS.reduce(
      (all, [name, value]) => all.replace(new RegExp(`: ${name}\\b`, 'g'), `: ${value}`),
      recipe.replace('process.env.LIGHTTPD_CONF ?? ', ''),
    );
    // The page calls `listen` without a callback.
    const essential = statementsOf(text).filter((statement) => !statement.includes('.listen('));
    expect(statementsOf(program)).toEqual(expect.arrayContaining(essential));
  });
});
