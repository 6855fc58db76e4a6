/** The header of a response, as written. */
const RETRY_AFTER = /\r\nRetry-After:[ \t]*([^\r\n]+)/i;

/**
 * Seconds until the time of `Retry-After`, which is a number of seconds or a date (RFC 9110 section 10.2.3); undefined without the
 * header. `header`: the bytes of the response, since `res` does not keep headers that are passed to `writeHead()`.
 */
export function retryAfterOf(header: Buffer): number | undefined {
  const text = header.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const value = RETRY_AFTER.exec(end === -1 ? text : text.slice(0, end))?.[1]?.trim();
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}
