import process from 'node:process';

export async function desktopOf(user, { signal }) {
  if (signal.aborted) throw signal.reason;
  return user === 'ann' ? { host: '127.0.0.1', port: Number(process.env.DESKTOP_OF_ANN) } : undefined;
}
