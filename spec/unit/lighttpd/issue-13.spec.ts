import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, wstunnel } from '../../../src/index.js';
import { match } from '../../../src/tunnel/route.js';
import { readOptions } from '../../../src/options/read-tunnel.js';
import { onCleanup } from '../../support/cleanup.js';
import { refused } from './refused.js';

const server = (port: number) =>
  `wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${port} ) ) )\n`;

/** A folder with these files, laid out like Debian's /etc/lighttpd. */
function folderOf(texts: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'lighttpd-include-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

describe('issue 13, case 8: all problems of a configuration', () => {
  test('are listed with their lines, in the order of the text', () => {
    const message = refused(`auth.require = ()
      $HTTP["url"] =~ "(a+)+$" { wstunnel.frame-type = "txt" }
      ssl.engine = "enable"
      $HTTP["host"] == "a" { proxy.server = () url.redirect = () }
      wstunnel.server = ( "" => ( ( "port" => 1 ) ) )
      server.port = 70000`);
    const lines = message.split('\n');
    expect(lines.map((line) => line.replace(/^lighttpd\.conf:(\d+:\d+): (\S+ ?\S*).*/, '$1 $2'))).toEqual([
      '1:1 auth.require has',
      '2:7 this regular',
      '2:56 wstunnel.frame-type must',
      '3:7 ssl.engine has',
      '4:30 proxy.server has',
      '4:48 url.redirect has',
      '5:35 wstunnel.server: a',
      '6:21 server.port must',
    ]);
  });

  test('are listed without consequences of other problems', () => {
    expect(refused('x = ( 1 ) + 2\ny = x\nz = y\n').split('\n')).toHaveLength(1);
    expect(refused('include "none"\ny = x\n').split('\n')).toHaveLength(1);
    // An unknown variable is one problem, and the others are listed as well.
    expect(refused('a = b\nauth.require = ()').split('\n')).toHaveLength(2);
  });

  test('are listed up to a syntax error, and including it', () => {
    const lines = refused('auth.require = ()\nserver.port = = 1\nproxy.server = ()').split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^lighttpd\.conf:2:15: /);
  });

  test('are limited in number', () => {
    const lines = refused('a.b += 1\n'.repeat(5)).split('\n');
    expect(lines).toHaveLength(1);
    const many = Array.from({ length: 500 }, (_, index) => `a.b${index} = 1`).join('\n');
    expect(refused(many).split('\n').length).toBeLessThanOrEqual(101);
    // Each further problem would cost as much time as the first one.
    expect(refused(`x = ( 1 )\n${'x += ( 1 )\n'.repeat(11_000)}`).split('\n')).toHaveLength(1);
    expect(refused('include "x"', { include: () => 'include "x"\ninclude "x"\n' })).toMatch(
      /include each other/,
    );
  });
});

describe('issue 13, cases 8 and 18: includes', () => {
  test("Debian's layout is read from the disk, in alphabetical order, links included", () => {
    const folder = folderOf({
      'lighttpd.conf': 'server.port = 8080\ninclude "conf-enabled/*.conf"\n',
      'conf-available/20-desk.conf': `$HTTP["url"] =^ "/desk" { ${server(5900)} }`,
      'conf-enabled/10-first.conf': 'wstunnel.frame-type = "binary"\n',
      'conf-enabled/.hidden.conf': 'nonsense = = 1',
      'conf-enabled/README': 'nonsense = = 1',
    });
    symlinkSync('../conf-available/20-desk.conf', join(folder, 'conf-enabled/20-desk.conf'));
    const conf = fromLighttpdConf('include "lighttpd.conf"\n', {
      file: join(folder, 'x.conf'),
      include: true,
    });
    expect(conf).toMatchObject({ port: 8080, options: { frameType: 'binary', rules: [{}] } });
  });

  test('a position in a wildcard include is that of the actual file', () => {
    const folder = folderOf({
      'conf.d/10-a.conf': 'x = 1\n',
      'conf.d/20-b.conf': '\n\n  auth.require = ()\n',
      'conf.d/30-c.conf': 'y = ( "a"\n',
    });
    const file = join(folder, 'lighttpd.conf');
    const message = refused('include "conf.d/*.conf"\n', { file, include: true });
    expect(message.split('\n')).toEqual([
      expect.stringMatching(new RegExp(`^${folder}/conf\\.d/20-b\\.conf:3:3: auth\\.require`)),
      expect.stringMatching(new RegExp(`^${folder}/conf\\.d/30-c\\.conf:1:5: `)),
    ]);
  });

  test.each([
    ['*/[ab]?.conf', ['d/a1.conf', 'd/b2.conf']],
    ['d/{b2,a1}.conf', ['d/b2.conf', 'd/a1.conf']],
    ['d/[!a]*.conf', ['d/b2.conf', 'd/c+3.conf']],
    ['d/c+*.conf', ['d/c+3.conf']],
    ['none/*.conf', []],
    ['d/.*.conf', ['d/.e.conf']],
  ])('the wildcard %s', (pattern, expected) => {
    const names = ['d/a1.conf', 'd/b2.conf', 'd/c+3.conf', 'd/.e.conf'];
    const folder = folderOf(Object.fromEntries(names.map((name) => [name, `names += ( "${name}" )\n`])));
    const { indexFiles = [] } = fromLighttpdConf(
      `names = ()\ninclude "${pattern}"\nindex-file.names = names\n`,
      { file: join(folder, 'l.conf'), include: true },
    );
    expect(indexFiles).toEqual(expected);
  });

  test('a function may return texts together with their file names', () => {
    const include = () => [
      { file: 'a.conf', text: 'x = 1\n' },
      { file: 'b.conf', text: 'auth.require = ()\n' },
    ];
    expect(refused('include "*.conf"', { include })).toMatch(/^b\.conf:1:1: auth\.require/);
    expect(refused('include "*.conf"', { include: () => [{ text: '' }] as never })).toMatch(
      /list of \{ file, text \}/,
    );
  });
});

describe('issue 13, case 18: idioms of lighttpd configurations', () => {
  test('an empty wstunnel.server means no tunnel, also inside a condition', () => {
    const { options } = fromLighttpdConf(
      `${server(1)}$HTTP["url"] =^ "/page" { wstunnel.server = () }\n$HTTP["url"] =^ "/page/in" { ${server(2)} }`,
    );
    wstunnel(options);
    const at = (path: string) => {
      const req = { url: path, headers: {}, socket: {} } as never;
      const found = match(readOptions(options), req, path)?.server as readonly { port: number }[] | undefined;
      return found?.map(({ port }) => port);
    };
    expect(at('/x')).toEqual([1]);
    expect(at('/page/x')).toBeUndefined();
    expect(at('/page/in/x')).toEqual([2]);
    // In options written by hand, an empty object is an error.
    expect(() => wstunnel({ server: {} })).toThrow(/needs a port/);
  });

  test('ignored directives are reported to callers that ask for them', () => {
    const lines: string[] = [];
    const warn = (line: string) => lines.push(line);
    fromLighttpdConf(
      'server.modules = ()\nserver.errorlog = "/x"\n$HTTP["url"] == "/" {\n accesslog.filename = "/y" auth.require = () }',
      { ignore: ['auth.*'], warn },
    );
    expect(lines).toEqual([
      'lighttpd.conf:2: server.errorlog is left out',
      'lighttpd.conf:4: accesslog.filename is left out',
      'lighttpd.conf:4: auth.require is left out',
    ]);
  });
});
