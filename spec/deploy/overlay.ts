import { execFileSync } from 'node:child_process';

/** Whether this process may create namespaces, and mount an overlay over `lower` at `target`. */
export function canOverlay(lower: string, target: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const script =
    'mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w && ' +
    `mount -t overlay o -o lowerdir=${lower},upperdir=/mnt/u,workdir=/mnt/w ${target}`;
  try {
    execFileSync('unshare', ['--mount', '--net', '--pid', '--fork', 'sh', '-c', script], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
