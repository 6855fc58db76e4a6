import type { WebDriver } from 'selenium-webdriver';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { files, startCommand } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { startRealDesktop } from './real-desktop.js';
import { startEcho, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';
import { startWebKit } from './webkit.js';

/** Debian's package `novnc`. */
const NOVNC = '/usr/share/novnc';

/** A page that opens a WebSocket to the address on load; the title tells the result. */
const pageFor = (address: string) => `<!doctype html><title>waits</title><script>
const socket = new WebSocket(${address});
socket.onopen = () => socket.send('ping');
socket.onmessage = () => (document.title = 'echo');
socket.onclose = () => (document.title = 'closed');
</script>`;

const OWN = "location.origin.replace('http', 'ws') + '/websockify'";

/** The URL with the credentials that a user would type into the login dialogue. */
function withLogin(url: string, login = 'ann:right'): string {
  return url.replace('://', `://${login}@`);
}

async function titleOf(driver: WebDriver, url: string): Promise<string> {
  await driver.get(url);
  let title = '';
  await until(async () => (title = await driver.getTitle()) !== 'waits');
  return title;
}

async function startEchoBehindLogin(...more: string[]) {
  const { port: target } = await startEcho();
  const made = await files({ secret: 'right\n', 'index.html': pageFor(OWN) });
  const web = await files({ 'index.html': pageFor(OWN) });
  const args = ['0', String(target), '--auth', `ann:${made.secret}`, '--web', web.folder!, '-v', ...more];
  return startCommand(args);
}

describeWith('WebKitWebDriver', 'Xvfb')('issue 12, case 29: --auth in WebKit', () => {
  test(
    'the page’s login opens the tunnel with a cookie that scripts cannot read',
    { timeout: 60_000 },
    async () => {
      const { url, port, program } = await startEchoBehindLogin();
      const driver = await startWebKit();
      expect(await titleOf(driver, withLogin(url))).toBe('echo');
      await program.prints(/^open {4}ann@127\.0\.0\.1 \/websockify -> /m);
      const cookies = await driver.manage().getCookies();
      expect(cookies).toMatchObject([{ name: `wstunnel-${port}`, httpOnly: true, secure: false, path: '/' }]);
      expect(await driver.executeScript('return document.cookie')).toBe('');
    },
  );

  test(
    'without the cookie no tunnel opens, since WebKit sends no password with upgrades',
    { timeout: 60_000 },
    async () => {
      const { url } = await startEchoBehindLogin();
      const driver = await startWebKit();
      expect(await titleOf(driver, withLogin(url))).toBe('echo');
      await driver.manage().deleteAllCookies();
      await until(async () => (await driver.manage().getCookies()).length === 0);
      const script = `const done = arguments[0], socket = new WebSocket(${OWN});
      socket.onopen = () => done('open'); socket.onerror = () => done('refused');`;
      expect(await driver.executeAsyncScript(script)).toBe('refused');
      // Each page starts a new login.
      expect(await titleOf(driver, withLogin(url))).toBe('echo');
    },
  );

  test('over https the cookie is bound to the host', { timeout: 60_000 }, async () => {
    const { cert, key } = makeCertificate();
    const { pem } = await files({ pem: Buffer.concat([cert, key]) });
    const { url, port } = await startEchoBehindLogin('--cert', pem!);
    const driver = await startWebKit();
    expect(await titleOf(driver, withLogin(url))).toBe('echo');
    const cookies = await driver.manage().getCookies();
    expect(cookies).toMatchObject([{ name: `__Host-wstunnel-${port}`, httpOnly: true, secure: true }]);
  });

  test('a page of another site does not get the cookie sent', { timeout: 60_000 }, async () => {
    const { url, port } = await startEchoBehindLogin('--origin', '*');
    const other = await startHttp((_req, res) => {
      res.setHeader('Content-Type', 'text/html');
      res.end(pageFor(`'ws://127.0.0.1:${port}/websockify'`));
    });
    const driver = await startWebKit();
    expect(await titleOf(driver, withLogin(url))).toBe('echo');
    expect(await titleOf(driver, `http://127.0.0.1:${other.port}/`)).toBe('echo');
    // For a browser another port is the same site, and another name is another site.
    expect(await titleOf(driver, `http://localhost:${other.port}/`)).toBe('closed');
  });
});

describe('issue 12, case 29: a desktop', () => {
  describeWith(
    'WebKitWebDriver',
    'Xvfb',
    'xterm',
    'x11vnc',
    `${NOVNC}/vnc.html`,
  )('in WebKit', () => {
    test('Debian’s noVNC connects with the login of its page', { timeout: 60_000 }, async () => {
      const { port: vnc } = await startRealDesktop();
      const { secret } = await files({ secret: 'right\n' });
      const args = ['0', `localhost:${vnc}`, '--web', NOVNC, '--auth', `ann:${secret}`, '-v'];
      const { url, program } = await startCommand(args);
      const driver = await startWebKit();
      await driver.get(`${withLogin(url)}vnc.html?autoconnect=true`);
      await program.prints(/^open {4}ann@127\.0\.0\.1 \/websockify -> localhost:/m);
      const width = 'return document.querySelector("canvas")?.width';
      await until(async () => (await driver.executeScript(width)) === 800);
    });
  });
});
