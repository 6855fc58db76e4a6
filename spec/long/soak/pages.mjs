// Fetches a page of the server over a separate connection, and closes it.
import { request } from 'node:http';

export function fetchPage(port, path, cookie) {
  return new Promise((resolve, reject) => {
    const headers = { Connection: 'close', ...(cookie && { Cookie: cookie }) };
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false, timeout: 30_000 });
    asked.on('error', reject).on('timeout', () => asked.destroy(new Error(`no page ${path}`)));
    asked.on('response', (answer) => {
      answer.resume();
      answer.on('end', () =>
        resolve({ status: answer.statusCode, cookie: answer.headers['set-cookie']?.[0]?.split(';')[0] }),
      );
    });
    asked.end();
  });
}
