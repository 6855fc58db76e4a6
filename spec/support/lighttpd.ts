import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { LIGHTTPD } from './lighttpd-version.js';
import { Program } from './programs.js';
import { accepts, closedPort } from './servers.js';
import { until } from './wait.js';

/** The example of lighttpd's documentation, noVNC in front of x11vnc, word for word. */
export const NOVNC_EXAMPLE = `
server.document-root = "/usr/share/novnc"
server.modules += ( "mod_wstunnel" )
$HTTP["url"] =~ "^/websockify" {
    wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => "5900" ) ) )
    wstunnel.frame-type = "binary"
    server.stream-request-body  = 2
    server.stream-response-body = 2
}
`;

/** A lighttpd with `mod_wstunnel` on loopback. */
export interface Lighttpd {
  readonly port: number;
  readonly program: Program;
  /** The output and log so far, for the message of a failing test. */
  readonly log: () => Promise<string>;
}

/** Does lighttpd accept the configuration? */
export async function isTaken(conf: string): Promise<boolean> {
  const { file } = await write(conf);
  const program = new Program(LIGHTTPD, ['-tt', '-f', file]);
  if (program.process.exitCode === null) await once(program.process, 'exit');
  return program.process.exitCode === 0;
}

/** Runs lighttpd until the test ends, with streaming as in its documentation's example. */
export async function startLighttpd(conf: string): Promise<Lighttpd> {
  const { file, port, errors } = await write(conf);
  const program = new Program(LIGHTTPD, ['-D', '-f', file]);
  const log = async () => `${program.output}${await readFile(errors, 'utf8').catch(() => '')}`;
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`lighttpd ended: ${await log()}\n${conf}`);
    return accepts({ port });
  });
  return { port, program, log };
}

async function write(conf: string) {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-lighttpd-'));
  onCleanup(() => rm(folder, { recursive: true }));
  const [file, errors] = [join(folder, 'lighttpd.conf'), join(folder, 'error.log')];
  const port = await closedPort();
  const lines = [
    `server.document-root = "${folder}"`,
    `server.errorlog = "${errors}"`,
    'server.bind = "127.0.0.1"',
    `server.port = ${port}`,
    'server.modules = ("mod_status", "mod_wstunnel")',
    'server.stream-request-body = 2',
    'server.stream-response-body = 2',
    conf,
    '',
  ];
  await writeFile(file, lines.join('\n'));
  return { file, port, errors };
}
