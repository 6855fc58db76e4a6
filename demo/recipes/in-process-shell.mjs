// In-process backends: a Duplex of your own in place of an address, here the shell of a child process.
//
//   npm install express express-session express-wstunnel
//   node in-process-shell.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// The tunnel calls the function for each client. The function returns a Duplex: a channel of an SSH client
// (in-process-ssh.mjs), a shell, an emulator. A host with `connect` does the same, and also takes part in balancing, with
// `connectTimeout` and the other options of a host: server: [{ connect: () => openChannel() }].
//
// The shell runs as the app's user, without a terminal: the shell echoes nothing, and a line ends with \n. For a shell
// with a terminal see terminal.mjs.
import { spawn } from 'node:child_process';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { login, requireLogin } from './login.mjs';

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: (req) => {
    const shell = spawn('/bin/sh', ['-c', 'exec sh -i <&3 >&3 2>&3'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'], // 3: a socket, both ways
      env: { USER: req.session.user, PATH: '/usr/bin:/bin' },
      detached: true, // a process group, for the programs that run in the shell
    });
    const hangUp = () => (shell.exitCode ?? shell.signalCode) === null && process.kill(-shell.pid, 'SIGHUP');
    return shell.stdio[3].on('close', hangUp);
  },
});
app.use('/shell', requireLogin, tunnel);

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
