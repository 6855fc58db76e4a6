import { chmod, mkdir, readdir, symlink } from 'node:fs/promises';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { convertRecording, RecordingReader } from '../../src/record/index.js';
import { startBrowser } from '../support/browser.js';
import { makeCertificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { CLI, files } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { startRealDesktop } from './real-desktop.js';
import { closedPort } from '../support/servers.js';
import { until } from '../support/wait.js';

const NOVNC = '/usr/share/novnc';
const NOVNC_PROXY = `${NOVNC}/utils/novnc_proxy`;

describeWith(...['chromium', 'Xvfb', 'xterm', 'x11vnc', 'logger', NOVNC_PROXY])(
  'issue 13, case 13: Debian’s novnc_proxy, with the command on PATH as websockify',
  () => {
    async function start(...args: string[]) {
      const { port: vnc } = await startRealDesktop();
      const { folder = '' } = await files({});
      await mkdir(join(folder, 'bin'));
      await chmod(CLI, 0o755);
      await symlink(CLI, join(folder, 'bin/websockify'));
      const port = await closedPort();
      const own = ['--listen', String(port), '--vnc', `localhost:${vnc}`];
      const program = new Program(NOVNC_PROXY, [...own, ...args], {
        PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`,
      });
      const [, printed = ''] = await program.prints(/(https?:\/\/\S+:\d+\/vnc\.html\S*)/);
      // The browser may not resolve the machine's name; 127.0.0.2 differs from the default address, 127.0.0.1.
      const url = new URL(printed.replaceAll(hostname(), '127.0.0.2'));
      url.searchParams.set('autoconnect', 'true');
      return { program, folder, url: url.href };
    }

    /** The desktop is drawn at the desktop's size: the text of xterm has more than one colour. */
    async function shows(page: Page): Promise<void> {
      await page.waitForFunction(() => {
        const canvas = document.querySelector('canvas');
        if (canvas?.width !== 800) return false;
        const { data = new Uint8ClampedArray() } =
          canvas.getContext('2d')?.getImageData(0, 0, 200, 100) ?? {};
        return new Set(new Uint32Array(data.buffer)).size > 1;
      });
    }

    test('prints a URL that shows the desktop', { timeout: 60_000 }, async () => {
      const { url, program } = await start();
      const page = await (await startBrowser()).newPage();
      await page.goto(url);
      await shows(page);
      expect(program.output).toContain('reachable from every network of this machine');
    });

    test('gets all its options accepted', { timeout: 60_000 }, async () => {
      const { cert, key } = makeCertificate();
      const made = await files({ cert, key });
      const syslog = createSocket('udp4').bind(0, '127.0.0.1');
      let heard = '';
      syslog.on('message', (text) => (heard += `${text.toString()}\n`));
      onCleanup(() => void syslog.close());
      await once(syslog, 'listening');
      const recordings = join(made.folder!, 'recordings');
      const { url, program } = await start(
        ...['--cert', made.cert!, '--key', made.key!, '--web', NOVNC, '--ssl-only'],
        ...['--heartbeat', '5', '--timeout', '600', '--idle-timeout', '600'],
        ...['--record', recordings, '--syslog', `127.0.0.1:${syslog.address().port}`],
      );
      expect(url).toMatch(/^https:/);
      const page = await (await startBrowser(undefined, ['--ignore-certificate-errors'])).newPage();
      await page.goto(url);
      await shows(page);
      await page.close();
      let names: string[] = [];
      await until(async () => {
        names = await readdir(recordings);
        return names.length > 0 && names.every((name) => name.endsWith('.wsrec'));
      });
      const recording = await RecordingReader.open(join(recordings, names[0]!));
      let sent = '';
      for await (const part of convertRecording(recording, 'raw')) sent += part.toString('latin1');
      await recording.close();
      expect(sent).toMatch(/^RFB 003\.008\n/);
      await until(() => /open {4}127\.0\.0\.\d \/websockify -> /.test(heard));
      program.process.kill('SIGTERM');
      await program.prints(/Terminating WebSockets proxy/);
    });

    test('with --cert alone prints an http URL that redirects to https', { timeout: 60_000 }, async () => {
      const { cert, key } = makeCertificate();
      const { pem } = await files({ pem: Buffer.concat([cert, key]) });
      const { url } = await start('--cert', pem!);
      expect(url).toMatch(/^http:/);
      const page = await (await startBrowser(undefined, ['--ignore-certificate-errors'])).newPage();
      await page.goto(url);
      await shows(page);
      expect(page.url()).toMatch(/^https:/);
    });
  },
);
