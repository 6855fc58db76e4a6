import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.js';

/** Limit of bytes. */
const MOST_BYTES = 4096;

/** Seconds for the body to arrive. */
const TIMEOUT = 10;

const TOO_LARGE = `the body must have at most ${MOST_BYTES} bytes`;

/** The JSON object of a request's body, which a body parser of the app may have read already. */
export async function readJsonObject(req: IncomingMessage): Promise<Record<string, unknown>> {
  const { body } = req as IncomingMessage & { body?: unknown };
  const value = isRead(req) ? parsed(body) : parse(await readText(req));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HttpError(400, 'the body must be a JSON object');
  return value as Record<string, unknown>;
}

/** Parsers of Express 4 leave `{}` for a type that they do not read: such a body is still in the stream. */
function isRead(req: IncomingMessage): boolean {
  const { body } = req as IncomingMessage & { body?: unknown };
  if (req.readableEnded || req.readableDidRead) return true;
  return body !== undefined && !isEmptyObject(body);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** The value of `req.body`, set by the app's body parser. */
function parsed(body: unknown): unknown {
  if (body === undefined)
    throw new HttpError(
      400,
      'the app has read the body: mount admin() before the middleware that reads it, or set req.body',
    );
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  if (body.length > MOST_BYTES) throw new HttpError(413, TOO_LARGE);
  return parse(body.toString());
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new HttpError(400, 'the body must be a JSON object');
  }
}

function readText(req: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > MOST_BYTES) fail(new HttpError(413, TOO_LARGE, closing(req)));
      else chunks.push(chunk);
    };
    const onEnd = () => {
      done();
      resolve(Buffer.concat(chunks).toString());
    };
    const onClose = () => fail(new HttpError(400, 'the body is incomplete'));
    const fail = (error: Error) => {
      done();
      req.resume();
      reject(error);
    };
    const done = () => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose);
    };
    const onTimeout = () => fail(new HttpError(408, 'the body did not arrive in time', closing(req)));
    const timer = setTimeout(onTimeout, TIMEOUT * 1000);
    req.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose);
  });
}

/** HTTP/2 has no header `Connection`. */
function closing({ httpVersionMajor }: IncomingMessage): Record<string, string> {
  return httpVersionMajor === 1 ? { Connection: 'close' } : {};
}
