import { accessSync, constants, createWriteStream, openSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { messageOf, TunnelError } from '../../../errors.js';
import { ignoreErrors } from '../../../streams/ignore-errors.js';
import { kernelPath } from '../../../sockets/socket-path.js';
import type { Host } from '../../../types.js';
import { CommandError, EXIT } from '../../exit.js';
import { requireFolder, reasonOf } from '../../files.js';

/** Bytes queued for the disk, beyond which a recording ends. */
const MAX_QUEUED = 16 * 1024 * 1024;
/** Mode of the files: a recording contains every typed character. */
const MODE = 0o600;
/** Highest number of a recording. */
const MAX_NUMBER = 100_000;

/** Each byte in Python's `unicode_escape`, for websockify's format. */
const ESCAPED = Array.from({ length: 256 }, (_, byte) => {
  const plain: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r', 39: "\\'", 92: '\\\\' };
  const isShown = byte >= 32 && byte < 127;
  return plain[byte] ?? (isShown ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`);
});

/**
 * Records tunnels in files `PATH.1`, `PATH.2` and so on, in websockify's format, which noVNC's `tests/vnc_playback.html` plays: In
 * each entry, `{ms{` precedes bytes to the client, and `}ms}` precedes bytes from the client.
 */
export class Recording {
  readonly #path: string;
  readonly #warn: (line: string) => void;
  #number = 0;

  constructor(path: string, warn: (line: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /** Connects to the host, and records the connection. @throws {TunnelError} if the host can't be reached */
  async connect(host: Host, signal: AbortSignal): Promise<Duplex> {
    const socket = await dial(host, signal);
    const tape = this.#open();
    return tape ? new RecordedStream(socket, tape) : socket;
  }

  /** @throws {CommandError} if no recording can be written in the folder */
  check(): void {
    const folder = dirname(this.#path);
    requireFolder(folder);
    try {
      accessSync(folder, constants.W_OK);
    } catch (error) {
      throw new CommandError(EXIT.config, `${folder}: ${reasonOf(error)}`, { cause: error });
    }
  }

  #open(): RecordingFile | undefined {
    while (this.#number < MAX_NUMBER) {
      const name = `${this.#path}.${++this.#number}`;
      try {
        return new RecordingFile(openSync(name, 'wx', MODE), name, this.#warn);
      } catch (error) {
        // Recordings of earlier runs are kept.
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        this.#warn(`${name}: ${reasonOf(error)}; this tunnel is not recorded`);
        return undefined;
      }
    }
    return undefined;
  }
}

class RecordingFile {
  readonly #file: WriteStream;
  readonly #since = Date.now();
  readonly #fail: (why: string) => void;
  #isOver = false;

  constructor(fd: number, name: string, warn: (line: string) => void) {
    this.#fail = (why) => {
      if (!this.#isOver) warn(`${name}: ${why}; the recording ends here`);
      this.#isOver = true;
    };
    this.#file = createWriteStream(name, { fd }).on('error', (error) => this.#fail(reasonOf(error)));
    this.#file.write('var VNC_frame_data = [\n');
  }

  write(mark: '{' | '}', bytes: Buffer): void {
    if (this.#isOver) return;
    let text = '';
    for (const byte of bytes) text += ESCAPED[byte] ?? '';
    this.#file.write(`'${mark}${Date.now() - this.#since}${mark}${text}',\n`);
    if (this.#file.writableLength <= MAX_QUEUED) return;
    this.#fail('the disk is too slow');
    this.#file.end("'EOF'];\n");
  }

  end(): void {
    if (!this.#isOver) this.#file.end("'EOF'];\n");
    this.#isOver = true;
  }
}

/** A stream over a socket; all bytes are recorded. */
class RecordedStream extends Duplex {
  readonly #socket: Socket;
  readonly #tape: RecordingFile;

  constructor(socket: Socket, tape: RecordingFile) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#tape = tape;
    socket.on('data', (chunk: Buffer) => {
      tape.write('{', chunk);
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Record before `done`: afterwards the buffer may be reused for another frame.
    this.#tape.write('}', chunk);
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    this.#tape.end();
    done(error);
  }
}

/** Not `backends/dial`: its sockets read into the relay's buffers, and emit no `data` events to record. */
function dial(
  { socket: path, host = '127.0.0.1', port = 0, tls }: Host,
  signal: AbortSignal,
): Promise<Socket> {
  const where = { host, port, allowHalfOpen: true };
  const [socket, event]: [Socket, string] = tls
    ? [connectTls({ ...where, ...(isIP(host) === 0 && { servername: host }) }), 'secureConnect']
    : [connectTcp(path === undefined ? where : { path: kernelPath(path), allowHalfOpen: true }), 'connect'];
  return new Promise((resolve, reject) => {
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail).off(event, onConnect);
    };
    const fail = (error: Error) => {
      settle();
      ignoreErrors(socket);
      socket.destroy();
      const detail = messageOf(error);
      reject(new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { detail }));
    };
    const onConnect = () => {
      settle();
      resolve(socket.pause());
    };
    const onAbort = () => fail(new Error('the client has left, or the time limit has passed'));
    socket.on('error', fail).on(event, onConnect);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
