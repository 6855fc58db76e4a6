import { spawn, type ChildProcess } from 'node:child_process';

/** Told to a program in its environment, so that what it leaves behind can be found. */
export const MARK_VARIABLE = 'WSTUNNEL_PROCESS';

/** What is started, and what is removed behind it. */
export interface LaunchSettings {
  readonly path: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The listening socket that becomes its descriptor 0. */
  readonly stdin: number | 'ignore';
  readonly killSignal: NodeJS.Signals;
  /** Value of {@link MARK_VARIABLE}. */
  readonly mark: string;
  /** Its unix socket. */
  readonly socket?: string | undefined;
  /** The private socket that it has or could have had; the folder around it goes with the last one. */
  readonly own: string;
}

/**
 * The shell becomes the program (`exec`), so that its process id and its end are the program's own. What it leaves behind is
 * a watcher in the same process group, which waits for the end of descriptor 3. The other side of that is ours alone: the
 * kernel closes it when the app is gone, also by SIGKILL, and then the watcher ends the group and removes the socket. As
 * long as the watcher is there, the group's number can't become somebody else's.
 *
 * Signals are ignored before the watcher is forked: the one that ends the program goes to the whole group.
 *
 * The processes are looked through twice: one within execve(2) has no environment that could be read.
 *
 * The socket is removed while the program still listens: behind its end it may be that of an app which was started anew. The
 * watcher alone sets variables, for the program's environment may have any of the same name.
 */
const SCRIPT = `
trap '' HUP INT QUIT ABRT USR1 USR2 ALRM TERM WINCH
(
  exec </dev/null >/dev/null 2>&1
  PATH=/usr/bin:/bin:$PATH
  signal=$1 socket=$2 own=$3 mark=$4
  read -r line <&3
  if [ -n "$socket" ]; then rm -f "$socket"; fi
  if [ "$signal" != KILL ]; then
    kill -s "$signal" 0
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      kill -0 $$ || break
      sleep 0.1
    done
  fi
  for pause in 0.1 0; do
    for file in /proc/[0-9]*/environ; do
      if grep -qsF "$mark" "$file"; then file=\${file%/environ}; kill -s KILL "\${file#/proc/}"; fi
    done
    sleep $pause
  done
  rm -f "$own"
  rmdir "\${own%/*}"
  kill -s KILL 0
) &
trap - HUP INT QUIT ABRT USR1 USR2 ALRM TERM WINCH
export ${MARK_VARIABLE}="$4"; shift 4
exec "$@" 2>&1 3<&-
`;

/** Starts a program in a process group and session of its own. Its `stdio[3]` must stay open as long as it may live. */
export function launch({ path, args, environment, stdin, ...rest }: LaunchSettings): ChildProcess {
  const { killSignal, socket = '', own, mark } = rest;
  const watched = [killSignal.slice('SIG'.length), socket, own, mark];
  return spawn('/bin/sh', ['-c', SCRIPT, 'wstunnel', ...watched, path, ...args], {
    detached: true,
    env: { ...environment },
    stdio: [stdin, 'pipe', 'ignore', 'pipe'],
  });
}
