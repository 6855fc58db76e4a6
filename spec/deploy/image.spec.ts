import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hashSync } from 'bcryptjs';
import { validate } from 'dockerfile-utils';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { DEVELOPERS } from '../support/environment.js';
import { describeWith } from '../support/programs.js';
import { image, instructions, replay } from './image.js';
import { DOCKER, textOf, type Settings } from './manifests.js';
import { canOverlay } from './overlay.js';

const SETTINGS = JSON.parse(textOf('config/config.json', DOCKER)) as Settings;

describe('the Dockerfile', () => {
  test('has no error and no warning', () => {
    expect(validate(textOf('Dockerfile', DOCKER))).toEqual([]);
    expect(validate('FROM node\nRUM x\n')).not.toEqual([]);
  });

  test('has two stages of one base, with a tag of a version', () => {
    const bases = instructions().filter(({ name }) => name === 'FROM');
    expect(bases.map(({ text }) => text.split(' ')[0])).toEqual([
      expect.stringMatching(/^node:\d+-[a-z]+-slim$/),
      bases[0]?.text.split(' ')[0],
    ]);
  });

  test('runs node itself, as a user by number, on the ports of the settings', () => {
    const { user, entrypoint, cmd, healthcheck, ports } = image();
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect([entrypoint[0], healthcheck[0]]).toEqual(['node', 'node']);
    expect(cmd).toEqual(['--config', '/etc/desk/config/config.json']);
    expect(ports).toEqual(
      [SETTINGS.listen, SETTINGS.health, SETTINGS.metrics].map((one) => Number(one.split(':').at(-1))),
    );
    expect(healthcheck.at(-1)).toContain(`:${ports[1]}/healthz`);
  });
});

const describeReplay = canOverlay('/', '/mnt') ? describeWith('ip', 'setpriv') : describe.skip;

describeReplay("the Dockerfile's steps, replayed over this machine", () => {
  test(
    'make an image that runs read-only as its user, and drains on SIGTERM',
    { timeout: 400_000 },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'wstunnel-image-'));
      onCleanup(async () => {
        for (const path of [folder, `${folder}-context`]) await rm(path, { recursive: true, force: true });
      });
      const times = { grace: 0.5, spread: 0.5, drain: 2 };
      const script = await replay(
        folder,
        {
          '/etc/desk/config/config.json': JSON.stringify({ ...SETTINGS, ...times }),
          '/etc/desk/users/users.htpasswd': `ann:${hashSync('right', 4)}\n`,
          '/etc/desk/tokens/tokens': 'desk: 127.0.0.1:5900\n',
        },
        `exec unshare --net sh -c 'ip link set lo up && exec "$0" "$@"' "$@"`,
      );
      const run = JSON.stringify({
        image: image(),
        login: 'ann:right',
        path: `${String(SETTINGS.url)}?token=desk`,
        subject: SETTINGS.name,
      });
      const container = join(import.meta.dirname, 'container.mjs');
      const args = ['--mount', 'sh', script, process.execPath, container, run];
      const env = { ...DEVELOPERS, npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false' };
      const { stdout } = await promisify(execFile)('unshare', args, {
        env,
        timeout: 380_000,
        maxBuffer: 1 << 26,
      });
      const [uid] = image().user.split(':');
      expect(JSON.parse(stdout)).toEqual({
        healthyBefore: false,
        healthy: true,
        process: { pid: '1', uid, capabilities: '0000000000000000', privileges: '1' },
        stranger: 401,
        page: { status: 200, isNoVnc: true },
        echo: 'ping',
        close: 1001,
        exitCode: 0,
      });
    },
  );
});
