// A login shell behind a login, in a terminal of node-pty that follows the size of the page's window. Where tmux is installed, the shell
// outlives the tunnel: after a lost connection or a reload, the same user finds the same shell again.
//
//   npm install express express-session express-wstunnel @lydell/node-pty @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//   node node-pty.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md); TMUX=no for shells that end with their tunnels.
//
// @lydell/node-pty is node-pty (https://github.com/microsoft/node-pty) with prebuilt binaries. The shell runs as the app's user: whoever
// has a login can do what the app can do. For shells of other users, see in-process-ssh.mjs.
import { spawnSync } from 'node:child_process';
import { Duplex } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { spawn } from '@lydell/node-pty';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { login, requireLogin } from './login.mjs';
import { terminalPage } from './terminal-page.mjs';
import { firstSize, sizeIn } from './terminal-size.mjs';

/** Milliseconds that the program has to end after SIGHUP. */
const HANG_UP = 5000;

/** A program in a terminal, as a stream of bytes. */
class TerminalStream extends Duplex {
  #terminal;
  #hasExited = false;
  #killTimer;

  constructor(file, args, options) {
    super();
    this.#terminal = spawn(file, args, { ...options, encoding: null }); // encoding null: bytes in place of text
    this.#terminal.onData((bytes) => {
      if (!this.push(bytes)) this.#terminal.pause(); // the page reads slowly: the program waits
    });
    this.#terminal.onExit(() => {
      this.#hasExited = true;
      clearTimeout(this.#killTimer);
      this.push(null);
    });
  }

  resize({ cols, rows }) {
    if (!this.#hasExited) this.#terminal.resize(cols, rows);
  }

  _read() {
    this.#terminal.resume();
  }

  // write() of node-pty has no callback, and would queue without a limit for a program that reads nothing. Its socket has one.
  _write(bytes, _encoding, done) {
    if (this.#hasExited) done();
    else this.#terminal._socket.write(bytes, done);
  }

  // The client has left.
  _final(done) {
    this.#hangUp();
    done();
  }

  _destroy(error, done) {
    this.#hangUp();
    this.#terminal.resume(); // the exit is noticed only while the terminal is read
    done(error);
  }

  #hangUp() {
    if (this.#hasExited) return;
    this.#terminal.kill('SIGHUP');
    this.#killTimer ??= setTimeout(() => this.#terminal.kill('SIGKILL'), HANG_UP);
  }
}

const hasTmux = process.env.TMUX !== 'no' && spawnSync('tmux', ['-V']).status === 0;
const { HOME, PATH, LANG = 'C.UTF-8', SHELL = '/bin/sh', TMUX_TMPDIR } = process.env;
const env = { HOME, PATH, LANG, SHELL, TERM: 'xterm-256color', ...(TMUX_TMPDIR && { TMUX_TMPDIR }) }; // not the app's secrets

function openShell({ session, query }) {
  const options = {
    name: 'xterm-256color',
    cwd: HOME,
    env: { ...env, WEB_USER: session.user },
    ...firstSize(query),
  };
  if (!hasTmux) return new TerminalStream(SHELL, ['-l'], options);
  const name = `web-${Buffer.from(session.user).toString('hex')}`; // tmux allows no dot and no colon in a name
  // -A: attach to the session if there is one. -e: all sessions share one server, which has the environment of the first.
  const args = ['new-session', '-A', '-s', name, '-e', `WEB_USER=${session.user}`];
  return new TerminalStream('tmux', args, options);
}

const app = express();
app.use(login);

const tunnel = wstunnel({
  user: (req) => req.session.user,
  limits: { total: 20, perUser: 5 },
  revalidate: 60, // a logout ends the tunnel; the shell in tmux goes on
  idleTimeout: 3600,
  server: openShell,
  control: (message, _tunnel, terminal) => {
    const size = sizeIn(message);
    if (size) terminal.resize(size);
  },
});
app.use('/shell', requireLogin, tunnel);

app.use(terminalPage('/shell', { resizes: true }));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

// Without a listener, the signal would end the process at once, and leave the shells behind.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    server.close();
    server.closeIdleConnections();
    void tunnel.close({ timeout: 2 });
  });
