import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Builder, Capabilities, type WebDriver } from 'selenium-webdriver';
import { onCleanup } from '../support/cleanup.js';
import { Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';
import { until } from '../support/wait.js';

/** WebKitGTK with an empty profile on a separate display, closed after the test. Self-signed certificates are accepted. */
export async function startWebKit(): Promise<WebDriver> {
  const home = await mkdtemp(join(tmpdir(), 'wstunnel-webkit-'));
  onCleanup(() => rm(home, { recursive: true, force: true, maxRetries: 10 }));
  // Xvfb chooses a free display and writes its number to descriptor 3.
  const screen = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp']);
  const [, number = ''] = await screen.prints(/^(\d+)\n/m);
  const port = await closedPort();
  const env = { DISPLAY: `:${number}`, HOME: home, XDG_RUNTIME_DIR: home, GDK_BACKEND: 'x11' };
  new Program('WebKitWebDriver', [`--port=${port}`], env);
  const server = `http://127.0.0.1:${port}`;
  const isReady = async () => (await fetch(`${server}/status`)).ok;
  await until(() => isReady().catch(() => false));
  const wanted = new Capabilities();
  // The browser of Debian's WebKit driver.
  wanted.setBrowserName('MiniBrowser');
  wanted.setAcceptInsecureCerts(true);
  const driver = await new Builder().usingServer(server).withCapabilities(wanted).build();
  onCleanup(() => driver.quit());
  return driver;
}
