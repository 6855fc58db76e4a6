import { spawn, type ChildProcess } from 'node:child_process';

/** Environment variable that marks a program and the program's forks, so that leftover processes can be found. */
export const MARK_VARIABLE = 'WSTUNNEL_PROCESS';

/** The program to start, and the files to remove after the program's end. */
export interface LaunchSettings {
  readonly path: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The listening socket that becomes descriptor 0 of the program. */
  readonly stdin: number | 'ignore';
  readonly killSignal: NodeJS.Signals;
  /** Value of {@link MARK_VARIABLE}. */
  readonly mark: string;
  /** The unix socket of the program. */
  readonly socket?: string | undefined;
  /** Path of the private socket, used or not. The folder is removed with the last private socket. */
  readonly privateSocket: string;
}

/**
 * The shell becomes the program (`exec`), so that the shell's process id and end are the program's. Before `exec`, the shell
 * forks a watcher in the same process group; the watcher waits for the end of descriptor 3. Only this process has the other end
 * of the descriptor: the kernel closes that end when the app ends, also by SIGKILL, and then the watcher ends the group and
 * removes the socket. While the watcher runs, the kernel can't give the number of the group to other processes.
 *
 * The shell ignores signals before it forks the watcher, since the signal that ends the program goes to the whole group.
 *
 * The watcher scans all processes twice, since a process within execve(2) has no readable environment.
 *
 * The watcher removes the socket while the program still listens: later, the path may belong to a restarted app. Only the watcher
 * sets variables, since the program's environment may contain variables of the same names.
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

/** Starts a program in a new session and process group. The program is ended when its `stdio[3]` is closed. */
export function launch({ path, args, environment, stdin, ...rest }: LaunchSettings): ChildProcess {
  const { killSignal, socket = '', privateSocket, mark } = rest;
  const watched = [killSignal.slice('SIG'.length), socket, privateSocket, mark];
  return spawn('/bin/sh', ['-c', SCRIPT, 'wstunnel', ...watched, path, ...args], {
    detached: true,
    env: { ...environment },
    stdio: [stdin, 'pipe', 'ignore', 'pipe'],
  });
}
