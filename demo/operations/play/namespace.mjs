import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath, URL } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));

/** The folder into which `buildMachine()` puts the programs of `bin` and the package. */
const BASE = process.env.OPERATIONS_BASE ?? '';
export const BIN = `${BASE}/bin`;
export const FOLDER = `${BASE}/package/demo/operations`;

/**
 * Runs this script again in new namespaces, as root of a machine without a network: its ports, processes and mounts are invisible
 * outside and end with the script. Resolves to the exit code.
 */
export function playInside(script) {
  const base = mkdtempSync('/tmp/operations-');
  const child = spawn(
    'unshare',
    // prettier-ignore
    ['--mount', '--net', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, script, ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, OPERATIONS_BASE: base } },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      rmdirSync(base);
      resolve(code ?? 1);
    });
  });
}

/** Whether `playInside()` started this process. */
export const isInside = BASE !== '';

/**
 * The machine of the play: a writable copy of /etc, an empty /var of 16 MB (the disk that fills up), an empty /run, and the package
 * like after `npm install --global`.
 */
export function buildMachine() {
  const script = `
    mount -t tmpfs -o mode=755 base ${BASE}
    cd ${BASE}
    mkdir bin package etc etc.work
    mount --bind "$PACKAGE" package
    touch node && mount --bind "$NODE" node
    ip link set lo up
    mount -t overlay -o lowerdir=/etc,upperdir=${BASE}/etc,workdir=${BASE}/etc.work etc /etc
    mount -t tmpfs -o mode=755,size=16m var /var
    mount -t tmpfs -o mode=755 run /run
    mkdir -p /var/lib/haproxy /var/lib/prometheus /var/lib/redis /var/lib/logrotate /var/log /run/haproxy
    mount -t tmpfs prometheus /var/lib/prometheus
    ln -s /run /var/run
    chown prometheus /var/lib/prometheus
    chown redis /var/lib/redis
    printf '127.0.0.1 localhost desk.example.com desk-1.lan\\n' > /etc/hosts
    program() { cat > "bin/$1" && chmod 755 "bin/$1"; }
    program sudo <<'END'
#!/bin/sh
exec env "$@"
END
    program express-wstunnel <<'END'
#!/bin/sh
exec ${BASE}/node ${BASE}/package/dist/cli.js "$@"
END
    program systemctl <<'END'
#!/bin/sh
answer=$(printf '%s\\n' "$*" | socat -t 3600 - UNIX-CONNECT:/run/systemctl.sock)
[ -z "$answer" ] || { printf '%s\\n' "$answer" >&2; exit 1; }
END
  `;
  execFileSync('sh', ['-eu', '-c', script], {
    env: { ...process.env, PACKAGE, NODE: process.execPath },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  process.env.PATH = `${BIN}:${process.env.PATH}`;
}
