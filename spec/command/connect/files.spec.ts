import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.js';
import { files, runCommand } from '../../support/command.js';
import { closedPort } from '../../support/servers.js';

const mine = makeCertificate();
const other = makeCertificate();
const [cert, key] = [mine.cert.toString(), mine.key.toString()];
/** A truncated certificate, as after an interrupted copy. */
const damaged = cert.slice(0, 200);
const der = execFileSync('openssl', ['x509', '-outform', 'der'], { input: cert });
const locked = execFileSync('openssl', ['pkey', '-aes256', '-passout', 'pass:secret'], { input: key });
const trusted = execFileSync('openssl', ['x509', '-trustout'], { input: cert }).toString();

const FILES = { cert, key, damaged, der, locked, trusted, other: other.key, text: 'secret', empty: '' };

/** Runs connect against a port without a listener: the exit code is 5 if all files are valid. */
async function run(...args: string[]) {
  const paths = await files({
    ...FILES,
    pair: `${cert}${key}`,
    twoCas: `# ours\n${cert}\n${other.cert.toString()}`,
    secondDamaged: `${cert}${damaged}`,
  });
  const given = args.map((arg) => paths[arg] ?? (arg === 'none' ? `${paths.folder}/none` : arg));
  const { code, stderr } = await runCommand(
    ['connect', `wss://127.0.0.1:${await closedPort()}/`, '--direct', ...given],
    {},
  );
  expect(stderr).not.toMatch(/\.js:\d+| {4}at |secret$/m);
  return { code, stderr };
}

describe('issue 13, case 9: a missing or invalid file of connect exits with 3', () => {
  test.each<[string[], RegExp]>([
    [['--ca', 'none'], /\/none: there is no such file or folder/],
    [['--ca', 'text'], /\/text: there is no certificate in PEM form in it/],
    [['--ca', 'empty'], /\/empty: there is no certificate in PEM form in it/],
    [['--ca', 'key'], /\/key: there is no certificate in PEM form in it/],
    [['--ca', 'der'], /\/der: there is no certificate in PEM form in it/],
    [['--ca', 'damaged'], /\/damaged: certificate 1 of 1 in it is damaged/],
    [['--ca', 'secondDamaged'], /\/secondDamaged: certificate 2 of 2 in it is damaged/],
    [['--cert', 'none'], /\/none: there is no such file or folder/],
    [['--cert', 'text'], /\/text: there is no certificate in PEM form in it/],
    [['--cert', 'damaged', '--key', 'key'], /\/damaged: certificate 1 of 1 in it is damaged/],
    [['--cert', 'cert'], /\/cert: it contains no private key in PEM form/],
    [['--cert', 'cert', '--key', 'none'], /\/none: there is no such file or folder/],
    [['--cert', 'cert', '--key', 'text'], /\/text: it contains no private key in PEM form/],
    [
      ['--cert', 'cert', '--key', 'locked'],
      /\/locked: the key is encrypted; decrypt it: openssl pkey -in FILE/,
    ],
    [['--cert', 'cert', '--key', 'other'], /\/other: this key does not belong to .*\/cert/],
  ])('%j', async (args, line) => {
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(line);
    expect(stderr).toMatch(/^express-wstunnel: .*\n$/);
    expect(code).toBe(3);
  });

  test.each<[string[]]>([
    [['--ca', 'cert']],
    [['--ca', 'twoCas']],
    [['--ca', 'trusted']],
    [['--cert', 'pair']],
    [['--cert', 'cert', '--key', 'key']],
    [['--cert', 'pair', '--ca', 'cert']],
  ])('a valid file does not: %j', async (args) => {
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(/^express-wstunnel: .* could not be reached: connect ECONNREFUSED .*\n$/);
    expect(code).toBe(5);
  });

  test('an expired client certificate is used, and reported', async () => {
    const old = makeCertificate({ expired: true });
    const { file = '' } = await files({ file: `${old.cert.toString()}${old.key.toString()}` });
    const { code, stderr } = await run('--cert', file);
    expect(stderr).toMatch(`${file}: the certificate expired on `);
    expect(code).toBe(5);
  });
});

describe('issue 13, case 9: a CA file with a damaged certificate after a valid one', () => {
  test('is an error for connect and for listen', async () => {
    const paths = await files({ pair: `${cert}${key}`, ca: `${cert}${damaged}` });
    const args = ['0', '5900', '--cert', paths.pair!, '--client-ca', paths.ca!];
    const { code, stderr } = await runCommand(args);
    expect(stderr).toMatch(/\/ca: certificate 2 of 2 in it is damaged/);
    expect(code).toBe(3);
  });
});
