import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { usageError } from '../../command-line/args.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';

/** Bytes queued for `logger`, beyond which lines are dropped. */
const MAX_QUEUED = 1024 * 1024;
/** Pause before `logger` is started again, in ms. */
const RESTART_PAUSE = 10_000;
/** Time for `logger` to send its queue at the end, in ms. */
const END_DEADLINE = 1000;

export interface SyslogOptions {
  /** `/dev/log` or another socket, or `host:port` by UDP. */
  readonly server: string;
  /** For a host: use the older protocol, from before RFC 5424. */
  readonly isLegacy: boolean;
}

/** Sends lines to a syslog server through util-linux's `logger`, since Node has no unix datagram sockets. */
export class Syslog {
  readonly #args: readonly string[];
  readonly #warn: (line: string) => void;
  #logger: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(args: readonly string[], warn: (line: string) => void) {
    this.#args = args;
    this.#warn = warn;
  }

  /** @throws {CommandError} if `logger` can't be started, or there is no such socket */
  static async open(options: SyslogOptions, warn: (line: string) => void): Promise<Syslog> {
    const syslog = new Syslog(loggerArgs(options), warn);
    const logger = syslog.#start();
    try {
      await once(logger, 'spawn');
    } catch (error) {
      syslog.#isOver = true;
      throw new CommandError(
        EXIT.config,
        `--syslog needs the program logger (Debian: bsdutils): ${reasonOf(error)}`,
        { cause: error },
      );
    }
    return syslog;
  }

  /** `line`: without a line end. */
  write(line: string): void {
    const { stdin } = this.#logger ?? {};
    if (stdin?.writable === true && stdin.writableLength < MAX_QUEUED) stdin.write(`${line}\n`);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#restart);
    const logger = this.#logger;
    if (!logger || logger.exitCode !== null || logger.signalCode !== null) return;
    const deadline = setTimeout(() => logger.kill(), END_DEADLINE);
    const ended = once(logger, 'exit').catch(() => undefined);
    logger.stdin?.end();
    await ended;
    clearTimeout(deadline);
  }

  #start(): ChildProcess {
    const logger = spawn('logger', this.#args, { stdio: ['pipe', 'ignore', 'ignore'] });
    this.#logger = logger;
    logger.stdin.on('error', () => undefined);
    logger.on('error', () => undefined);
    logger.once('exit', () => {
      if (this.#isOver) return;
      this.#warn(
        `logger has ended; it is restarted in ${RESTART_PAUSE / 1000} s, and lines until then are lost`,
      );
      this.#restart = setTimeout(() => this.#start(), RESTART_PAUSE).unref();
    });
    return logger;
  }
}

function loggerArgs({ server, isLegacy }: SyslogOptions): string[] {
  const common = ['--tag', `express-wstunnel[${process.pid}]`, '--priority', 'daemon.info'];
  // As in websockify, a text with a colon is a host.
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(server) ?? [];
  if (server.includes(':')) {
    if (host === '' || Number(port) < 1 || Number(port) > 65535)
      throw usageError(`--syslog "${server}" is neither a socket such as /dev/log nor HOST:PORT`);
    const name = host.replace(/^\[(.*)\]$/, '$1');
    return [...common, '--udp', '--server', name, '--port', port, isLegacy ? '--rfc3164' : '--rfc5424'];
  }
  try {
    if (!statSync(server).isSocket()) throw new Error('it is not a socket');
  } catch (error) {
    throw new CommandError(EXIT.config, `--syslog ${server}: ${reasonOf(error)}`, { cause: error });
  }
  return [...common, '--socket', server];
}
