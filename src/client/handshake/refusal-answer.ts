import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { printable } from '../../helpers/printable.js';

/** Bytes to keep of a refusal's body: enough for a sentence, too few for a page. */
const MAX_BODY = 1024;
/** Seconds to wait for the rest of a refusal's body. */
const BODY_TIMEOUT = 1;
/** Headers of a refusal that tell the user what to do. */
const HELPFUL_HEADERS = [
  'www-authenticate',
  'proxy-authenticate',
  'location',
  'retry-after',
  'server',
  'content-type',
];

/** Never rejects: after a timeout or a lost connection, resolves to the bytes received so far. */
export function beginningOfBody(answer: IncomingMessage, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      answer.off('data', onData);
      answer.off('close', done);
      answer.destroy();
      resolve(Buffer.concat(parts).toString('utf8', 0, Math.min(length, MAX_BODY)));
    };
    const onData = (chunk: Buffer) => {
      parts.push(chunk);
      length += chunk.length;
      if (length >= MAX_BODY) done();
    };
    const timer = setTimeout(done, BODY_TIMEOUT * 1000);
    answer.on('error', () => undefined);
    answer.on('data', onData);
    answer.on('close', done);
    signal.addEventListener('abort', done);
  });
}

export function helpfulHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const all = HELPFUL_HEADERS.map((name) => [name, headers[name]] as const);
  return Object.fromEntries(
    all.filter((one) => one[1] !== undefined).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}

/** Status code and reason, such as `403 Forbidden`. */
export function statusLine({ statusCode = 0, statusMessage = '' }: IncomingMessage): string {
  return printable(`${statusCode} ${statusMessage}`);
}
