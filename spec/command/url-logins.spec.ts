import { describe, expect, test } from 'vitest';
import { files, runCommand, startCommand } from '../support/command.js';
import { closedPort } from '../support/servers.js';

const NO_PROXIES = { HTTP_PROXY: '', http_proxy: '', ALL_PROXY: '', all_proxy: '' };

/** The message of a failing command; checks that no part of the login is in the output. */
async function complaint(args: readonly string[], code: number, env = {}): Promise<string> {
  const run = await runCommand(args, { ...NO_PROXIES, ...env });
  expect(run.stderr).toMatch(/^express-wstunnel: .*\n$/);
  expect(run.stderr).not.toMatch(/ann|corp|secret|12[#/?]|45@/i);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: '' });
  return run.stderr;
}

describe('issue 13, case 3: no message of the command contains a login', () => {
  test.each([
    [['ws://x/', '--proxy', 'http://ann:12#45@desk'], /proxy must be percent-encoded/],
    [['ws://x/', '--proxy', 'ann:12#45@desk'], /proxy must be percent-encoded/],
    [['ws://x/', '--proxy', 'http://CORP\\ann:secret@desk'], /proxy must be percent-encoded/],
    [['ws://ann:12#45@desk/'], /the URL must be percent-encoded/],
    [['ws://ann:12/45@desk/'], /the URL must be percent-encoded/],
    [['ws://CORP\\ann:secret@desk/', '--local', '0'], /the URL must be percent-encoded/],
    [['ann:12/45@desk'], /the URL must begin with ws: or wss:; got '\*\*\*' \(see/],
    [['ws://x/', 'ws://ann:secret@desk/'], /give only one URL; unexpected "\*\*\*"/],
    [['ws://x/', '--local', 'ann:secret@desk:5900'], /"\*\*\*" is not a listen address/],
    [['ws://x/', '--timeout', 'ann:secret@desk'], /--timeout must be a number of seconds, not "\*\*\*"/],
  ])('connect %j prints no secret', async (args, message) => {
    expect(await complaint(['connect', ...args], 2)).toMatch(message);
  });

  test.each([
    [['0', 'ann:secret@desk:5900'], /"\*\*\*" is not a target/],
    [['0', 'secret@desk:5900'], /"\*\*\*" is not a target/],
    [['http://ann:secret@desk:6080', '5900'], /"\*\*\*" is not a listen address/],
    [['0', '5900', '--origin', 'https://ann:secret@desk'], /--origin .*got '\*\*\*'/],
    [['0', '5900', '--allow', 'ann:secret@desk'], /--allow .*\*\*\*/],
    [['0', '5900', '--frame', 'https://ann:secret@desk'], /--frame must list sites .*; got "\*\*\*"/],
  ])('listen %j prints no secret', async (args, message) => {
    expect(await complaint(args, 2)).toMatch(message);
  });

  test.each(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY'])('%s prints no secret', async (name) => {
    const env = { [name]: 'http://ann:12#45@desk' };
    expect(await complaint(['connect', 'ws://x/'], 2, env)).toMatch(
      new RegExp(`the environment's proxy \\(${name}\\) must be percent-encoded`),
    );
  });

  test('WSTUNNEL_USER and the files of --user and --bearer are not printed', async () => {
    const { a = '' } = await files({ a: 'line\n' });
    const env = { WSTUNNEL_USER: 'secret' };
    expect(await complaint(['connect', 'ws://x/'], 2, env)).toMatch(/WSTUNNEL_USER must be NAME:PASSWORD/);
    const wrong = `${a}-secret`;
    expect(await complaint(['connect', 'ws://x/', '--user', `u:${wrong}`], 3)).toMatch(/no such file/);
    expect(await complaint(['connect', 'ws://x/', '--bearer', wrong], 3)).toMatch(/no such file/);
  });

  test.each([
    { server: 'http://ann:secret@desk:5900' },
    { server: { host: 'ann:secret@desk', port: 5900 } },
    { server: [{ host: 'http://ann:secret@desk', port: 5900 }] },
    { server: { port: 5900 }, origins: ['https://ann:secret@desk'] },
    { listen: 'ann:secret@desk:6080', server: { port: 5900 } },
  ])('a configuration file: %j prints no secret', async (config) => {
    const { json = '' } = await files({ json: JSON.stringify(config) });
    const message = await complaint(['--config', json], 3);
    expect(message).toMatch(/\*\*\*/);
  });

  test('the line that names the target of a local port hides the login in every URL notation', async () => {
    const port = await closedPort();
    for (const url of ['ws:', ' ws://', 'ws:///', 'ws:\\\\', 'WS://']) {
      const args = ['connect', `${url}ann:secret@127.0.0.1:${port}/x`, '--local', '0'];
      const { program } = await startCommand(args, NO_PROXIES);
      await program.prints(/\n$/);
      expect(program.output).toContain(` for ws://***@127.0.0.1:${port}/x\n`);
      expect(program.output).not.toContain('secret');
      await program.stop();
    }
  });
});
