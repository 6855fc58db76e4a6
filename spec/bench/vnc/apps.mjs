// Starts the app of vnc.mjs on a core of its own.
import { fileURLToPath, URL } from 'node:url';
import { startChild } from '../child.mjs';
import { OWN } from '../observe/apps.mjs';
import { cores } from '../system.mjs';

export async function startVncApp({ dist = OWN, ...settings }) {
  const path = fileURLToPath(new URL('app.mjs', import.meta.url));
  const { port, ask, end } = await startChild(
    'the app',
    path,
    { dist, ...settings },
    { under: ['taskset', '-c', String(cores[0])], flags: ['--no-warnings'] },
  );
  return { port, ask, stop: end };
}
