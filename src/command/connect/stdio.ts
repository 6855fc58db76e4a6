import { pipeline } from 'node:stream/promises';
import { connect, type ClientStream } from '../../client/client-stream.js';
import { ClientError } from '../../client/client-error.js';
import { CLIENT_OPTIONS } from '../../client/options.js';
import { readTunnelUrl } from '../../client/url/tunnel-url.js';
import { CLOSE } from '../../streams/close-causes.js';
import { deferred } from '../../helpers/deferred.js';
import { CommandError, EXIT, SIGNALLED } from '../exit.js';
import { printMessage, type Io, type Signal } from '../process/io.js';
import { DEFAULT_LINGER, type ConnectPlan } from './connect-plan.js';
import { commandErrorOf } from './failure-messages.js';
import { sendInput } from './send-input.js';
import { bytes } from '../output/units.js';

/** Opens one tunnel on standard input and output. Resolves to the exit code when both directions have ended. */
export async function runStdio(
  io: Io,
  { url, options, linger = DEFAULT_LINGER }: ConnectPlan,
  isVerbose: boolean,
): Promise<number> {
  const stream = open(url, options);
  const since = performance.now();
  stream.on('connect', () => {
    if (isVerbose) printMessage(io, `open    ${readTunnelUrl(url).shown}`);
  });
  const stopSending = sendInput(io.stdin, stream, linger, () => io.stdout.writableLength > 0);
  let asked: Signal | undefined;
  let timer: NodeJS.Timeout | undefined;
  const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (signal) => {
    asked = signal;
    const destroy = () => void stream.destroy();
    stopSending();
    // Nothing can be drained before the tunnel is open, and the second signal ends at once.
    if (stream.connecting || stream.writableEnded) destroy();
    else {
      stream.end();
      // The reader of standard output may be stalled, which would block the end of the tunnel.
      timer = setTimeout(destroy, (options.closeTimeout ?? CLIENT_OPTIONS.closeTimeout.default) * 1000);
    }
  });
  const closed = deferred();
  stream.once('close', () => closed.resolve());
  try {
    // The tunnel also ends when the reader of standard output is gone (ssh has ended).
    const isWhole = await pipeline(stream, io.stdout, { end: false }).then(
      () => true,
      (error: unknown) => {
        if (stream.errored instanceof ClientError || !isGone(error)) throw error;
        return false;
      },
    );
    await closed.promise;
    if (asked === undefined && stream.bytesDropped > 0)
      throw new CommandError(
        EXIT.failed,
        `the server closed the tunnel before ${bytes(stream.bytesDropped)} of the input could be sent`,
      );
    const isFlushed = isWhole && io.stdout.writableLength === 0;
    return asked === undefined || isFlushed ? EXIT.ok : SIGNALLED[asked];
  } catch (error) {
    // The tunnel's `closeTimeout` may have ended the tunnel before our timer did.
    if (asked !== undefined) return SIGNALLED[asked];
    throw error instanceof CommandError ? error : commandErrorOf(stream.errored ?? error);
  } finally {
    stop();
    clearTimeout(timer);
    stopSending();
    io.stdin.on('error', () => undefined).destroy();
    const amount = `${bytes(stream.bytesRead)} in, ${bytes(stream.bytesWritten)} out`;
    if (isVerbose && !stream.connecting)
      printMessage(io, `close   ${stream.closeCode ?? CLOSE.abnormal}; ${amount}, ${seconds(since)} s`);
  }
}

function open(url: string, options: ConnectPlan['options']): ClientStream {
  try {
    return connect(url, options);
  } catch (error) {
    throw commandErrorOf(error);
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
