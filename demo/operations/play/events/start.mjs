import { mkdirSync, writeFileSync } from 'node:fs';
import { Authority, servedSerial } from '../certificates.mjs';
import { activeServers } from '../http.mjs';
import { hasIpv6, scaleTimes } from '../scale.mjs';

/** Installs and starts the services as README.md says, then starts the clients. */
export async function start(day) {
  await day.systemd.listen();
  day.authority = new Authority();
  await day.backend.start();
  mkdirSync('/etc/systemd/system', { recursive: true });
  mkdirSync('/etc/sysusers.d', { recursive: true });
  mkdirSync('/etc/tmpfiles.d', { recursive: true });
  await day.readme.run('install');
  scaleTimes();
  await day.readme.run('secrets');
  day.authority.renew();
  await day.readme.run('certificate');
  const { stdout: ready } = await day.readme.run('start');
  day.expect(ready === 'ok\nok\n', `readyz says ${ready}`);
  const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
  for (const host of hosts)
    await day.until(`HAProxy passes connections to ${host} on`, () =>
      servedSerial(day.authority.ca, host).catch(() => undefined),
    );
  // HAProxy may have checked a process before it was ready.
  await day.until('HAProxy uses both processes', async () => (await activeServers()) === 2);
  await day.startLoad(8, 5);
  const homes = ['a', 'b'].map((process) => day.pathsOf(process).size);
  day.expect(Math.min(...homes) > 1, `tunnels of the processes: ${homes.join(' and ')}`);
  return `8 tunnels, and 5 newcomers per second; port 443 answers at ${hosts.join(' and ')}`;
}

/** A renewed certificate is served after the reload. */
export async function certificate(day) {
  const { env, serial } = day.authority.renew();
  const seen = await day.watch(async () => {
    const before = await servedSerial(day.authority.ca);
    day.expect(before !== serial, 'the new certificate is served before the reload');
    await day.readme.run('certificate', env);
    const seconds = await day.until(
      'new clients get the new certificate',
      async () => (await servedSerial(day.authority.ca)) === serial,
    );
    day.renewal = `serial ${before} -> ${serial} after ${seconds} s`;
  });
  day.expectQuiet(seen);
  return `${day.renewal}, 0 tunnels ended, 0 of ${seen.visits} newcomers failed`;
}

/** A truncated certificate file, as after a crash of another tool, is reported, and the old certificate stays in use. */
export async function wrongCertificate(day) {
  const before = await servedSerial(day.authority.ca);
  const seen = await day.watch(async () => {
    writeFileSync('/etc/express-wstunnel/tls/desk.pem', '-----BEGIN CERTIFICATE-----\n');
    for (const process of ['a', 'b']) day.systemd.unit(`express-wstunnel@${process}`).reload();
    for (const process of ['a', 'b'])
      await day.until('the invalid file is reported', () =>
        day.systemd.unit(`express-wstunnel@${process}`).output.includes('desk.pem'),
      );
    day.expect((await servedSerial(day.authority.ca)) === before, 'the old certificate is gone');
    await day.readme.run('certificate');
  });
  day.expectQuiet(seen);
  return `reported, serial ${before} stays, 0 tunnels ended`;
}
