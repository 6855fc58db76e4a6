import { link, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { pageStatus } from '../support/raw-client.js';
import { holds } from '../support/wait.js';

const framing = async (url: string) => {
  const { headers } = await fetch(url);
  return [headers.get('content-security-policy'), headers.get('x-frame-options')];
};

describe('issue 12, case 19: who may show the page in a frame', () => {
  test.each<[string[], (string | null)[]]>([
    [[], ["frame-ancestors 'self'", 'SAMEORIGIN']],
    [
      ['--frame', 'same'],
      ["frame-ancestors 'self'", 'SAMEORIGIN'],
    ],
    [
      ['--frame', 'https://portal.example,*.a.example', '--frame', '.b.example'],
      ["frame-ancestors 'self' https://portal.example *.a.example *.b.example", null],
    ],
    [
      ['--frame', 'tauri://localhost'],
      ["frame-ancestors 'self' tauri://localhost", null],
    ],
    [
      ['--frame', '*'],
      [null, null],
    ],
  ])('%j', async (args, headers) => {
    const { folder } = await files({ 'index.html': 'desk' });
    const { url } = await startCommand(['0', '1', '--web', folder!, ...args]);
    expect(await framing(url)).toEqual(headers);
    expect(await framing(`${url}none`)).toEqual(headers);
  });

  test('--frame works in JSON; a lighttpd.conf uses its headers instead', async () => {
    const made = await files({ 'index.html': 'desk', 'd.json': '', 'l.conf': '' });
    const { folder = '', 'd.json': json = '', 'l.conf': conf = '' } = made;
    const options = { listen: '0', web: '.', frame: ['https://portal.example'], server: { port: 1 } };
    await writeFile(json, JSON.stringify(options));
    const { url } = await startCommand(['--config', json]);
    expect(await framing(url)).toEqual(["frame-ancestors 'self' https://portal.example", null]);
    const server = 'wstunnel.server = ( "/t" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )';
    await writeFile(
      conf,
      `server.document-root = "${folder}"\nindex-file.names = ( "index.html" )\n${server}`,
    );
    const asBefore = await startCommand(['--config', conf, '--listen', '0']);
    expect(await framing(asBefore.url)).toEqual([null, null]);
    const framed = await startCommand(['--config', conf, '--listen', '0', '--frame', 'same']);
    expect(await framing(framed.url)).toEqual(["frame-ancestors 'self'", 'SAMEORIGIN']);
  });

  test.each(['null', 'x y', "https://a.example;script-src 'none'", "'none'", 'https://a.example/x', 'a,;b'])(
    '--frame %s is refused at the start',
    async (value) => {
      const { code, stderr } = await runCommand(['0', '5900', '--frame', value]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--frame must list sites .*; got "/);
    },
  );
});

describe('issue 12, case 19: secrets in the folder of --web', () => {
  test('token, key, password, configuration and log files are not served, under any name', async () => {
    const { cert, key } = certificate();
    const made = await files({
      'index.html': 'desk',
      'desk.crt': cert,
      'desk.key': key,
      tokens: 'secret: 1\n',
      'tokens~': 'older: 1\n',
      password: 'right\n',
      'desk.json': '',
      'events.log.1': '{}\n',
      '.hidden': 'hidden',
      'public.txt': 'public',
    });
    const at = (name: string) => join(made.folder!, name);
    await symlink(at('tokens'), at('link'));
    await link(at('tokens'), at('hard'));
    await symlink(at('.hidden'), at('shown'));
    const options = { listen: '0', web: '.', tokens: 'tokens', auth: 'ann:password', log: 'events.log' };
    await writeFile(at('desk.json'), JSON.stringify({ ...options, cert: 'desk.crt', key: 'desk.key' }));
    const { program } = await startCommand(['--config', at('desk.json')]);
    for (const name of ['tokens', 'desk.key', 'password', 'desk.json', 'events.log'])
      await program.prints(
        new RegExp(
          `warning: ${at(name)} is private, but in the folder that --web serves: it is answered with 404`,
        ),
      );
    expect(program.output).not.toContain('desk.crt is in');

    // The next command uses http, because fetch rejects the certificate.
    const args = ['--config', at('desk.json'), '--listen', '0'];
    await writeFile(at('desk.json'), JSON.stringify(options));
    const { port, url } = await startCommand(args);
    const headers = { Authorization: `Basic ${btoa('ann:right')}` };
    const get = async (path: string) => (await fetch(url + path, { headers })).status;
    for (const name of ['', 'index.html', 'public.txt', 'desk.crt']) expect(await get(name), name).toBe(200);
    const secret = [
      'tokens',
      'tokens~',
      'password',
      'desk.json',
      'events.log',
      'events.log.1',
      'link',
      'hard',
    ];
    const spelled = [
      '%74okens',
      './tokens',
      'tokens/',
      '/tokens',
      'x/../tokens',
      'tokens?x',
      'shown',
      '.hidden',
    ];
    for (const name of [...secret, ...spelled]) expect(await get(name), name).toBe(404);
    // Without a login the answer is 401, not 404.
    expect(await pageStatus(port, '/tokens')).toBe(401);

    // A file replaced by a rename, as editors do, is still a secret.
    await writeFile(at('new'), 'next: 1\n');
    await rename(at('new'), at('tokens'));
    expect(await get('tokens')).toBe(404);
  });

  test("a key in the certificate's file and a folder of token files are not served", async () => {
    const { cert, key } = certificate();
    const { folder = '' } = await files({ 'both.pem': `${cert.toString()}${key.toString()}`, 'a.txt': 'a' });
    await mkdir(join(folder, 'tokens'));
    await writeFile(join(folder, 'tokens', 'one'), 'secret: 1\n');
    const args = ['--listen', '0', '--web', folder, '--tokens', join(folder, 'tokens')];
    const { url } = await startCommand(args);
    for (const name of ['tokens', 'tokens/', 'tokens/one'])
      expect((await fetch(url + name)).status, name).toBe(404);
    expect((await fetch(`${url}a.txt`)).status).toBe(200);
    const tls = await startCommand(['0', '1', '--web', folder, '--cert', join(folder, 'both.pem')]);
    await tls.program.prints(/warning: .*both\.pem is private, but in the folder/);
  });

  test('secrets outside of the folder hide no file in it', async () => {
    const { folder = '', tokens } = await files({ tokens: 'secret: 1\n' });
    const web = join(folder, 'tokens-web');
    await mkdir(web);
    await writeFile(join(web, 'tokens.html'), 'about tokens');
    const { url, program } = await startCommand(['--listen', '0', '--web', web, '--tokens', tokens!]);
    expect(await (await fetch(`${url}tokens.html`)).text()).toBe('about tokens');
    await holds(() => expect(program.output).toMatch(/^.*listening on .*\n$/));
  });

  test('links within the folder are followed, links out of it are not', async () => {
    const { folder = '' } = await files({ 'secret.txt': 'secret' });
    const [web, other] = [join(folder, 'web'), join(folder, 'web-other')];
    await mkdir(join(web, 'sub'), { recursive: true });
    await mkdir(other);
    await writeFile(join(other, 'index.html'), 'secret');
    await writeFile(join(web, 'vnc.html'), 'desk');
    const links = {
      'auto.html': 'vnc.html',
      'sub/up.html': '../vnc.html',
      out: '../secret.txt',
      dir: '../web-other',
    };
    for (const [name, to] of Object.entries(links)) await symlink(to, join(web, name));
    await symlink(join(folder, 'secret.txt'), join(web, 'sub', 'index.html'));
    await symlink('loop', join(web, 'loop'));
    await symlink(web, join(folder, 'current'));
    // The folder may be a link, as with releases and alternatives.
    for (const root of [web, join(folder, 'current')]) {
      const { url } = await startCommand(['0', '1', '--web', root]);
      for (const name of ['', 'vnc.html', 'auto.html', 'sub/up.html'])
        expect(await (await fetch(url + name)).text(), name).toBe('desk');
      for (const name of ['out', 'dir', 'dir/', 'dir/index.html', 'sub/', 'sub/index.html', 'loop', 'none'])
        expect((await fetch(url + name, { redirect: 'manual' })).status, name).toBe(404);
    }
  });

  test('a lighttpd document root follows links as lighttpd does, but serves no configuration file', async () => {
    const { folder = '', 'l.conf': conf = '' } = await files({ 'l.conf': '', 'page.txt': 'page' });
    const web = join(folder, 'web');
    await mkdir(web);
    await symlink('../page.txt', join(web, 'page.txt'));
    await symlink('../l.conf', join(web, 'conf'));
    const server = 'wstunnel.server = ( "/t" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )';
    await writeFile(conf, `server.document-root = "${web}"\n${server}`);
    const { url } = await startCommand(['--config', conf, '--listen', '0']);
    expect(await (await fetch(`${url}page.txt`)).text()).toBe('page');
    expect((await fetch(`${url}conf`)).status).toBe(404);
  });
});

describeWith('/usr/share/novnc/vnc.html')("issue 12, case 19: Debian's noVNC", () => {
  test('is served although its files are links', async () => {
    const { url } = await startCommand(['0', '1', '--web', '/usr/share/novnc']);
    for (const name of ['', 'vnc.html', 'vnc_auto.html', 'app/ui.js', 'core/rfb.js'])
      expect((await fetch(url + name)).status, name).toBe(200);
  });
});
